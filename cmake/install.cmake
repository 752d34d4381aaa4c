# What `cmake --install` puts where, and the Debian package made from it.
# The C library has a libdl of its own: ours stands in a folder of its own, so that no program that says -ldl finds it.
include(CMakePackageConfigHelpers)
set(DL_LIBDIR ${CMAKE_INSTALL_LIBDIR}/dl)
set(DL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/dl)

set_target_properties(dl_onnx PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS dl dl_onnx EXPORT dlTargets LIBRARY DESTINATION ${DL_LIBDIR})
# Loaded by libdl from its own folder when a device is asked for. The Debian package holds it only where the build was told
# DL_CUDA=ON: what it needs of CUDA comes from no Debian package, so nobody's package gets it by the chance of a toolkit.
if(DL_CUDA_TARGET)
  install(TARGETS ${DL_CUDA_TARGET} LIBRARY DESTINATION ${DL_LIBDIR} COMPONENT cuda)
endif()
install(DIRECTORY libdl/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dl
        FILES_MATCHING PATTERN "*.h" PATTERN "*.def"
        PATTERN "kernels/cpu" EXCLUDE PATTERN "kernels/cuda" EXCLUDE PATTERN "elementwise.h" EXCLUDE PATTERN "functor.h" EXCLUDE
        PATTERN "kernels/normal.h" EXCLUDE PATTERN "pair_losses.h" EXCLUDE PATTERN "update_rules.h" EXCLUDE
        PATTERN "onnx_emit.h" EXCLUDE PATTERN "onnx_ops.h" EXCLUDE PATTERN "onnx_importer.h" EXCLUDE PATTERN "hdf5_file.h" EXCLUDE)
install(EXPORT dlTargets NAMESPACE dl:: DESTINATION ${DL_CMAKEDIR})
configure_package_config_file(cmake/dlConfig.cmake.in ${CMAKE_BINARY_DIR}/dlConfig.cmake INSTALL_DESTINATION ${DL_CMAKEDIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/dlConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/dlConfig.cmake ${CMAKE_BINARY_DIR}/dlConfigVersion.cmake DESTINATION ${DL_CMAKEDIR})

file(RELATIVE_PATH DL_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" DL_PC_UP ${DL_PC_UP})
configure_file(cmake/dl.pc.in ${CMAKE_BINARY_DIR}/dl.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/dl.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(DL_TOOLS)
  file(RELATIVE_PATH up /${CMAKE_INSTALL_BINDIR} /${DL_LIBDIR})
  set_target_properties(${DL_TOOLS} PROPERTIES INSTALL_RPATH "$ORIGIN/${up}")
  install(TARGETS ${DL_TOOLS} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY configs datasets recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/dl)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the dl developers <dl@localhost>")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/libdl ${DL_CUDA_LIBDIR})
if(NOT DL_CUDA STREQUAL ON)
  set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};${PROJECT_NAME};Unspecified;/")
endif()
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nlohmann-json3-dev, make")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
include(CPack)
