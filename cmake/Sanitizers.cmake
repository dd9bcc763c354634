# QT_SANITIZE=address,undefined instruments all host code. Preload the sanitizer's runtime to load
# such a library into a JVM; native/check needs nothing.
set(QT_SANITIZE "" CACHE STRING "sanitizers for host code, comma separated: address,undefined")
if(QT_SANITIZE)
  set(flags -fsanitize=${QT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
  # Outputs of the driver's small cases go past the caches, too.
  add_compile_definitions(QT_STREAM_BYTES=512)
  add_link_options($<$<LINK_LANGUAGE:CXX>:-fsanitize=${QT_SANITIZE}>)
endif()
