# Spack recipe: put this folder as packages/colossim into a repository of your own (spack repo create), then spack install colossim.
import os

from spack.package import *


class Colossim(CMakePackage):
    """MPI-distributed emulator of AI training superclusters."""

    git = os.environ.get("COLOSSIM_GIT", "colossim.git")  # where the project is cloned from

    version("main", branch="main")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("hdf5+mpi+hl")
    depends_on("libyaml")
    depends_on("xxhash")
    depends_on("random123")
    depends_on("python", type="run")
    depends_on("py-h5py", type="run")
    depends_on("py-matplotlib", type="run")
    depends_on("py-pyyaml", type="run")

    def cmake_args(self):
        return [self.define("COLOSSIM_TESTS", False), self.define("MPI_C_COMPILER", self.spec["mpi"].mpicc)]
