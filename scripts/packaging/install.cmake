# What `cmake --install` brings, and packages made of it.
#
# The program finds share/colossim beside itself (../share/colossim), so that the installed folder may be moved. What it says
# of itself (manual page, completion, schemas) is written by the program that was just built.

set(said ${PROJECT_BINARY_DIR}/said)
set(kinds topology training traffic model gpu nic switch scale_up)
set(say_all COMMAND ${CMAKE_COMMAND} -E make_directory ${said}/schemas
    COMMAND colossim man > ${said}/colossim.1
    COMMAND colossim completion bash > ${said}/colossim.bash
    COMMAND colossim completion zsh > ${said}/_colossim)
foreach(kind IN LISTS kinds)
    list(APPEND say_all COMMAND colossim schema ${kind} > ${said}/schemas/${kind}.json)
endforeach()
add_custom_command(OUTPUT ${said}/colossim.1 ${say_all} DEPENDS colossim VERBATIM)
add_custom_target(colossim_said ALL DEPENDS ${said}/colossim.1)

set(share ${CMAKE_INSTALL_DATADIR}/colossim)
install(DIRECTORY topologies jobs DESTINATION ${share}
    FILES_MATCHING PATTERN "*.yaml" PATTERN "*.csv")
# demo, test, dev and what they call need the sources, and stay with them.
install(DIRECTORY scripts DESTINATION ${share} USE_SOURCE_PERMISSIONS
    PATTERN "__pycache__" EXCLUDE
    PATTERN "packaging" EXCLUDE
    REGEX "/(demo|test|dev|fresh|mutate|check_layers|crosscheck|crosscheck_figure\\.py|crosscheck_scenarios\\.py|goodput|goodput_figure\\.py|cost_figure\\.py|scaling_model\\.py)$" EXCLUDE)
install(DIRECTORY ${said}/schemas DESTINATION ${share})
install(FILES ${said}/colossim.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${said}/colossim.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME colossim)
install(FILES ${said}/_colossim DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
# Pages stand beside each other as here, so that their links lead somewhere.
file(GLOB_RECURSE pages RELATIVE ${PROJECT_SOURCE_DIR} topologies/*.md jobs/*.md output/*.md output/*.ipynb output/figures/reading-*.png scripts/README.md)
foreach(page README.md LICENSE ${pages})
    cmake_path(GET page PARENT_PATH folder)
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_DOCDIR}/${folder})
endforeach()

# cpack -G DEB, in the build folder.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME colossim)
set(CPACK_PACKAGE_CONTACT "The Colossim developers")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "openmpi-bin")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "python3-h5py, python3-matplotlib, python3-yaml, python3-numpy")
include(CPack)
