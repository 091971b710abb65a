# libvalkey: Redis' protocol and sockets, in C. script/setup unpacks its sources into .venv/vendor. We take the parts that
# speak with one server; what concerns a cluster is in src/cache/redis.
set(punctual_valkey_dir ${CMAKE_SOURCE_DIR}/.venv/vendor/libvalkey-4.2.1/vendor/libvalkey)
if(NOT EXISTS ${punctual_valkey_dir}/src/async.c)
  message(FATAL_ERROR "libvalkey was not found in ${punctual_valkey_dir}: run script/setup")
endif()

set(punctual_valkey_sources alloc async conn dict dns net read sds sockcompat timer tls valkey vkutil)
list(TRANSFORM punctual_valkey_sources PREPEND ${punctual_valkey_dir}/src/)
list(TRANSFORM punctual_valkey_sources APPEND .c)
add_library(punctual_valkey STATIC ${punctual_valkey_sources})
target_include_directories(punctual_valkey SYSTEM PUBLIC ${punctual_valkey_dir}/include)
target_include_directories(punctual_valkey PRIVATE ${punctual_valkey_dir}/include/valkey ${punctual_valkey_dir}/src)
# Its assertions check what a server sent: in our process a strange reply must be an error, not the end (NDEBUG).
target_compile_definitions(punctual_valkey PRIVATE NDEBUG VALKEY_USE_THREADS)
target_compile_options(punctual_valkey PRIVATE -w)
if(PUNCTUAL_SANITIZE)
  target_compile_options(punctual_valkey PRIVATE -fsanitize=${PUNCTUAL_SANITIZE} -fno-omit-frame-pointer)
endif()
target_link_libraries(punctual_valkey PUBLIC OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
