# What cmake --install puts where.
#
#   (default)         lib/ include/ lib/cmake/quantrain/: for find_package(quantrain), target
#                     quantrain::quantrain. The CUDA library lies beside the CPU's, which looks for
#                     it there.
#   --component flat  the libraries alone, into the prefix itself: how Java packs them
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(opened_by_need "")
foreach(library IN ITEMS quantrain_cuda quantrain_gloo)
  if(TARGET ${library})
    list(APPEND opened_by_need ${library})
  endif()
endforeach()
install(TARGETS quantrain ${opened_by_need}
  LIBRARY DESTINATION . COMPONENT flat EXCLUDE_FROM_ALL)

set(package "${CMAKE_INSTALL_LIBDIR}/cmake/quantrain")
install(TARGETS quantrain EXPORT quantrainTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT quantrain)
if(opened_by_need)
  install(TARGETS ${opened_by_need}
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT quantrain)
endif()
install(FILES include/quantrain.h include/quantrain_collective.h
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT quantrain)
install(EXPORT quantrainTargets NAMESPACE quantrain::
  DESTINATION "${package}" COMPONENT quantrain)
configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/quantrainConfig.cmake.in" "${CMAKE_BINARY_DIR}/quantrainConfig.cmake"
  INSTALL_DESTINATION "${package}")
# 0.x: a minor version may change the API.
write_basic_package_version_file("${CMAKE_BINARY_DIR}/quantrainConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_BINARY_DIR}/quantrainConfig.cmake" "${CMAKE_BINARY_DIR}/quantrainConfigVersion.cmake"
  DESTINATION "${package}" COMPONENT quantrain)
