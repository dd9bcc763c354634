# QT_GLOO=AUTO|ON|OFF; sets QT_GLOO_FOUND.
set(QT_GLOO AUTO CACHE STRING "Collectives over Gloo: AUTO (where it is installed), ON (or fail), OFF")
set_property(CACHE QT_GLOO PROPERTY STRINGS AUTO ON OFF)

set(QT_GLOO_FOUND FALSE)
if(NOT QT_GLOO STREQUAL "OFF")
  find_path(GLOO_INCLUDE_DIR gloo/rendezvous/file_store.h)
  find_library(GLOO_LIBRARY gloo)
  if(GLOO_INCLUDE_DIR AND GLOO_LIBRARY)
    set(QT_GLOO_FOUND TRUE)
  elseif(QT_GLOO STREQUAL "ON")
    message(FATAL_ERROR "QT_GLOO=ON, but Gloo was not found (Debian's package: libgloo-dev)")
  endif()
endif()
if(QT_GLOO_FOUND)
  message(STATUS "Gloo ${GLOO_LIBRARY}: building libquantrain_gloo")
else()
  message(STATUS "no training in several processes: QT_GLOO=${QT_GLOO}, Gloo is not in use "
    "(Debian's package: libgloo-dev)")
endif()

# qt_add_gloo_library(TARGET SOURCES...): a shared library, opened when processes meet.
function(qt_add_gloo_library target)
  add_library(${target} SHARED ${ARGN})
  target_include_directories(${target} SYSTEM PRIVATE "${GLOO_INCLUDE_DIR}")
  target_link_libraries(${target} PRIVATE qt_options "${GLOO_LIBRARY}")
  target_link_options(${target} PRIVATE -Wl,-z,defs)
endfunction()
