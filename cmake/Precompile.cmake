# qt_precompile(TARGET HEADER): HEADER is read once for all files of TARGET, which include it anyway
# (intrinsics take a second of each). Not where a compiler cache is in use: it would have to keep the
# precompiled header, which names the folder that it was made in.
function(qt_precompile target header)
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    target_precompile_headers(${target} PRIVATE "${PROJECT_SOURCE_DIR}/${header}")
  endif()
endfunction()
