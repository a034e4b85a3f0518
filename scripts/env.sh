# env.sh: what the other scripts share; source it, do not run it.
#
#   $root       top of the project            $build    build folder (COLOSSIM_BUILD, default build/)
#   $jobs       processes of a build or test  $ranks    ranks of a run (COLOSSIM_RANKS, default 2)
#   say, die    a line to the terminal; the same to stderr, then exit 1
#   help_if_asked "$@"         what stands at the head of the script, if --help or -h is its first argument
#   install_packages NAME...   install the Debian packages that are missing (demo, test and fresh alone do)
#   require_packages NAME...   say which are missing, and how to get them, and end
#   build_preset PRESET FOLDER [TARGET...]
#
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${COLOSSIM_BUILD:-$root/build}
jobs=${COLOSSIM_JOBS:-$(nproc)}
ranks=${COLOSSIM_RANKS:-2}

# To build, test, run and plot. The only list: scripts, .ci and README refer to it.
packages=(
    build-essential cmake ninja-build pkg-config git
    libopenmpi-dev openmpi-bin libhdf5-openmpi-dev hdf5-tools
    libyaml-dev librandom123-dev libxxhash-dev libcmocka-dev
    python3-h5py python3-matplotlib python3-xarray python3-h5netcdf python3-netcdf4 python3-yaml python3-jsonschema
)
# For the slow tests that click through the page of scripts/report, hold the notebook to its format, and run under another MPI and
# under SLURM (scripts/test --all).
slow_packages=(chromium chromium-driver python3-selenium python3-nbformat mpich libhdf5-mpich-dev slurm-wlm munge)
# For scripts/dev format, lint and fresh.
developer_packages=(clang-format clang-tidy cppcheck shellcheck debootstrap)

say() { printf '%s\n' "== $*"; }

die() {
    printf '%s\n' "${0##*/}: $*" >&2
    exit 1
}

# Whoever asks for help gets the words at the head of the script, and nothing is done.
help_if_asked() {
    [[ ${1-} == -h || ${1-} == --help ]] || return 0
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
}

# What Open MPI needs here; a variable that is already set wins.
use_openmpi_environment() {
    local line files=("$root/scripts/openmpi.env")
    [[ -n ${SLURM_JOB_ID-}${PBS_JOBID-}${LSB_JOBID-} ]] || files+=("$root/scripts/openmpi-one-machine.env")
    while IFS= read -r line; do
        [[ $line =~ ^([A-Z][A-Za-z_]*)=(.*)$ ]] || continue
        [[ -n ${!BASH_REMATCH[1]+set} ]] || export "${BASH_REMATCH[1]}=${BASH_REMATCH[2]}"
    done < <(cat "${files[@]}")
}

# Those of Debian's packages that are not installed, one a line; elsewhere nobody knows.
missing_packages() {
    local name
    command -v dpkg-query >/dev/null || return 0
    for name in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || printf '%s\n' "$name"
    done
}

require_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    die "missing Debian packages; as root: apt-get install ${missing[*]}"
}

install_packages() {
    local missing as_root=()
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: these packages, or what they hold, must be there: $*"
        return
    fi
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "install these packages as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq ||
        say "apt-get update failed; trying with the lists that are there"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --yes --no-install-recommends "${missing[@]}" </dev/null >/dev/null ||
        die "apt-get could not install: ${missing[*]}"
}

# Configure and build; prints compiler output only when it fails.
build_preset() {
    local preset=$1 folder=$2 log
    shift 2
    log=$(mktemp)
    say "building preset $preset in $folder"
    if ! { (cd "$root" && cmake --preset "$preset" -B "$folder") &&
        cmake --build "$folder" --parallel "$jobs" ${1+--target "$@"}; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "the build failed; its output is above"
    fi
    grep -E '(warning|note):' "$log" || true
    rm -f "$log"
}

use_openmpi_environment
