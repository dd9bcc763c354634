# Floating point that gives the same bits on every instruction set and optimization level.
#
# A compiler may contract a * b + c into one fma, which rounds once instead of twice; then the
# result would depend on whether the machine has fma. Where one rounding is wanted, the code says
# std::fma. The other two flags take nothing from IEEE results: they only allow vectorized sqrt and
# rint, which set no errno and whose exception flags nobody reads.
add_library(qt_strict_float INTERFACE)
target_compile_options(qt_strict_float INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off -fno-fast-math -fno-math-errno -fno-trapping-math>
  $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false -ftz=false -prec-div=true -prec-sqrt=true
    -Xcompiler=-ffp-contract=off>)
