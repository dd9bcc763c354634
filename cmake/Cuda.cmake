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
    # CMake's own variable of the environment asks for other architectures than those below.
    set(CMAKE_CUDA_ARCHITECTURES OFF)
    if(NOT "$ENV{CUDAARCHS}" STREQUAL "")
      set(CMAKE_CUDA_ARCHITECTURES "$ENV{CUDAARCHS}")
    endif()
    enable_language(CUDA)
    set(QT_CUDA_FOUND TRUE)
    # Machine code for each, and the PTX of the last for later devices. sm_90's is made of the PTX of
    # compute_80: that of compute_90 is the same, as nothing here asks for the architecture, and
    # takes its time again. sm_100 came with CUDA 12.8.
    if(CMAKE_CUDA_ARCHITECTURES)
      set(cuda_code "")
    elseif(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
      set(cuda_code arch=compute_80,code=[sm_80,sm_90,compute_80])
    else()
      set(cuda_code
        arch=compute_80,code=[sm_80,sm_90] arch=compute_100,code=[sm_100,compute_100])
    endif()
  elseif(QT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "QT_CUDA=ON, but no working nvcc was found")
  endif()
endif()
if(QT_CUDA_FOUND)
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION}: building libquantrain_cuda for "
    "${cuda_code}$ENV{CUDAARCHS}")
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
  foreach(code IN LISTS cuda_code)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-gencode=${code}>)
  endforeach()
  set_target_properties(${target} PROPERTIES
    CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF
    CUDA_RUNTIME_LIBRARY Static
    CUDA_VISIBILITY_PRESET hidden
    CUDA_COMPILER_LAUNCHER "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/ptxas-log.sh")
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND sh -c "find . -name '*.ptxas' -exec cat {} + > ptxas.log"
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}" VERBATIM)
endfunction()
