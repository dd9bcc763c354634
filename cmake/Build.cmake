# cmake -DSOURCE=native -DBUILD=dir -DINSTALL=dir -P Build.cmake: configure, build on all cores,
# install. A script, because it is one command for Maven and finds the number of cores on every
# system.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()

# A build folder that was moved or copied with its tree names the old place; CMake refuses it.
if(EXISTS "${BUILD}/CMakeCache.txt")
  file(STRINGS "${BUILD}/CMakeCache.txt" home REGEX "^CMAKE_HOME_DIRECTORY")
  get_filename_component(source "${SOURCE}" ABSOLUTE)
  if(NOT home STREQUAL "CMAKE_HOME_DIRECTORY:INTERNAL=${source}")
    file(REMOVE_RECURSE "${BUILD}")
  endif()
endif()

cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
separate_arguments(options NATIVE_COMMAND "${OPTIONS}")
run(${CMAKE_COMMAND} -S "${SOURCE}" -B "${BUILD}" ${options})
run(${CMAKE_COMMAND} --build "${BUILD}" --parallel ${cores})

# Removed first: a running JVM keeps the file it has mapped, and a library no longer built does not
# linger.
file(GLOB old "${INSTALL}/libquantrain*.so")
if(old)
  file(REMOVE ${old})
endif()
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${INSTALL}" --component flat)
