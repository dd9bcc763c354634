# QT_CUDA=AUTO|ON|OFF; sets QT_CUDA_FOUND and enables the language.
#
# An nvcc on the PATH proves nothing (it may be a wrapper whose toolkit is gone), so a program is
# compiled.
set(QT_CUDA AUTO CACHE STRING "CUDA kernels: AUTO (where nvcc works), ON (or fail), OFF")
set_property(CACHE QT_CUDA PROPERTY STRINGS AUTO ON OFF)

set(QT_CUDA_FOUND FALSE)
if(NOT QT_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    # Set for each target below; an empty default would be the compiler's oldest architecture.
    set(CMAKE_CUDA_ARCHITECTURES 80)
    enable_language(CUDA)
    set(QT_CUDA_FOUND TRUE)
    # sm_100 came with CUDA 12.8. A number alone means machine code and PTX, so later devices work
    # too.
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
      set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
    else()
      set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100)
    endif()
  elseif(QT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "QT_CUDA=ON, but no working nvcc was found")
  endif()
endif()
if(QT_CUDA_FOUND)
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION}: building libquantrain_cuda for "
    "${CMAKE_CUDA_ARCHITECTURES}")
else()
  message(STATUS "no CUDA kernels: QT_CUDA=${QT_CUDA}, no working nvcc in use")
endif()

# qt_add_cuda_library(TARGET SOURCES...): a shared library that needs neither toolkit nor driver to
# load (static CUDA runtime). Registers and spills of every kernel go to ptxas.log in the build
# folder.
function(qt_add_cuda_library target)
  add_library(${target} SHARED ${ARGN})
  target_link_libraries(${target} PRIVATE qt_options)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=-v>)
  set_target_properties(${target} PROPERTIES
    CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF
    CUDA_RUNTIME_LIBRARY Static
    CUDA_VISIBILITY_PRESET hidden
    CUDA_COMPILER_LAUNCHER "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/ptxas-log.sh")
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND sh -c "find . -name '*.ptxas' -exec cat {} + > ptxas.log"
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}" VERBATIM)
endfunction()
