# qt_add_isa_kernels(TARGET SOURCES...) compiles SOURCES once per instruction set into TARGET.
#
# Each copy sees QT_ISA, the name of its namespace. The copies are linked weakest first, and that
# order matters: an inline function that two of them emit exists once in the library, namely as the
# linker's first copy, so what a kernel calls was never compiled for a stronger processor than the
# kernel itself. (To keep a template fast as well as safe, put it into namespace QT_ISA or make it
# static.)
function(qt_add_isa_kernels target)
  set(isas baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    # gcc 12 moves vectors through MMX registers here and leaves the x87 stack in disorder.
    set(flags_baseline -march=x86-64-v2 -mno-mmx)
    set(flags_avx2 -march=x86-64-v3)
    # The compiler prefers 256-bit vectors on its own; streaming kernels gain from 512.
    set(flags_avx512 -march=x86-64-v4 -mprefer-vector-width=512)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # gcc 12 warns of the undefined operands in its own AVX-512 header.
      list(APPEND flags_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
    endif()
    list(APPEND isas avx2 avx512)
    # Nobody can run what is instrumented for a processor that this one is not.
    if(QT_SANITIZE AND EXISTS /proc/cpuinfo)
      file(STRINGS /proc/cpuinfo with_avx512 REGEX avx512vl LIMIT_COUNT 1)
      if(NOT with_avx512)
        list(REMOVE_ITEM isas avx512)
      endif()
    endif()
  endif()
  foreach(isa IN LISTS isas)
    # Checks of every access and sum are slow to optimize, and the cases that they see are small.
    if(QT_SANITIZE)
      list(APPEND flags_${isa} -O0)
    endif()
    add_library(${target}_${isa} OBJECT ${ARGN})
    target_compile_definitions(${target}_${isa} PRIVATE QT_ISA=${isa})
    target_compile_options(${target}_${isa} PRIVATE ${flags_${isa}})
    target_link_libraries(${target}_${isa} PRIVATE qt_options)
    qt_precompile(${target}_${isa} cpu/kernel.h)
    target_compile_definitions(${target} PRIVATE QT_HAS_${isa})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_${isa}>)
  endforeach()
endfunction()
