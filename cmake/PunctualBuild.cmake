# How everything of ours is compiled, and `punctual_module`: a folder of src/ as a static library with its tests.
option(PUNCTUAL_TESTS "Build the tests" ON)
option(PUNCTUAL_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
option(PUNCTUAL_DEVELOPER "Our own build: warnings are errors. Never on for those who build us as a part of theirs" OFF)
set(PUNCTUAL_SANITIZE "" CACHE STRING "-fsanitize= for everything of ours, for instance address,undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # the same objects go into the program and into libpunctual.so
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(PUNCTUAL_CCACHE ccache)
if(PUNCTUAL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # So that it also caches what uses precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${PUNCTUAL_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${PUNCTUAL_CCACHE})
endif()

add_library(punctual_flags INTERFACE)
target_include_directories(punctual_flags INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
if(PUNCTUAL_DEVELOPER)
  target_compile_options(punctual_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wpedantic -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(punctual_flags INTERFACE -Wthread-safety)
  else()
    # g++ 12 reports these inside libstdc++ and Boost, after inlining, where there is nothing to mend.
    target_compile_options(punctual_flags INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds
      -Wno-restrict -Wno-missing-field-initializers)
  endif()
  target_compile_options(punctual_flags INTERFACE -Wno-missing-field-initializers)
endif()
if(PUNCTUAL_SANITIZE)
  target_compile_options(punctual_flags INTERFACE -fsanitize=${PUNCTUAL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(punctual_flags INTERFACE -fsanitize=${PUNCTUAL_SANITIZE})
endif()
if(PUNCTUAL_FUZZ) # a fuzzer must see which branches an input takes, in everything of ours that it reaches
  target_compile_options(punctual_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Tests are built soon rather than run soon: optimised as what they test is, they were half of all building, and under
# sanitizers most of it.
if(PUNCTUAL_SANITIZE)
  set(PUNCTUAL_TEST_OPTIONS -O0 -fno-sanitize=fuzzer-no-link)
else()
  set(PUNCTUAL_TEST_OPTIONS -O1)
endif()

# What every program of tests has in common.
function(punctual_test_program name)
  target_compile_options(${name} PRIVATE ${PUNCTUAL_TEST_OPTIONS})
  target_precompile_headers(${name} REUSE_FROM punctual_test_headers)
  target_compile_definitions(${name} PRIVATE PUNCTUAL_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE punctual_flags GTest::gmock GTest::gtest_main)
endfunction()

# ctest runs the program NAME_test, for so many seconds at most.
function(punctual_add_test name timeout)
  add_test(NAME ${name} COMMAND ${name}_test)
  # TBB opens a library in a way that sanitizers refuse, unless told.
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} ENVIRONMENT
    "TBB_ENABLE_SANITIZERS=1;TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/thread-suppressions.txt;LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/leak-suppressions.txt")
endfunction()

# punctual_module(NAME [REGISTERS] [SEQUENTIAL] SOURCES ... [TESTS ...] [THREADED ...] [DEPENDS modules and libraries ...]
#   [TEST_DEPENDS ...])
# Makes the static library punctual_NAME and, from its tests, the program NAME_test that ctest runs.
# REGISTERS: it registers itself by static objects, so that programs must link it whole.
# SEQUENTIAL: it starts no thread and shares nothing between threads, so that the thread sanitizer has nothing to find in
# its tests, which are not built for it. THREADED: those of TESTS that it builds, where they are not all.
function(punctual_module name)
  cmake_parse_arguments(arg "REGISTERS;SEQUENTIAL" "" "SOURCES;TESTS;THREADED;DEPENDS;TEST_DEPENDS" ${ARGN})
  if(PUNCTUAL_SANITIZE STREQUAL "thread" AND arg_SEQUENTIAL)
    set(arg_TESTS "")
  elseif(PUNCTUAL_SANITIZE STREQUAL "thread" AND arg_THREADED)
    set(arg_TESTS ${arg_THREADED})
  endif()
  add_library(punctual_${name} STATIC ${arg_SOURCES})
  target_link_libraries(punctual_${name} PUBLIC punctual_flags ${arg_DEPENDS})
  if(PUNCTUAL_TESTS AND arg_TESTS)
    add_executable(${name}_test ${arg_TESTS})
    set(tested punctual_${name})
    if(arg_REGISTERS)
      set(tested $<LINK_LIBRARY:WHOLE_ARCHIVE,punctual_${name}>)
    endif()
    target_link_libraries(${name}_test PRIVATE ${tested} ${arg_TEST_DEPENDS})
    punctual_test_program(${name}_test)
    punctual_add_test(${name} 1200)
  endif()
endfunction()
