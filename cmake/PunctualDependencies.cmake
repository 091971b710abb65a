# What we build on; docs/dependencies.md says why. script/setup installs all of it.
find_package(Threads REQUIRED)
# Debian keeps 1.74 as the default; its headers for 1.81 stand under the same names and do not mix with it.
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(simdjson REQUIRED)
find_package(tomlplusplus REQUIRED) # headers only: its shared library is built with exceptions, ours reads without
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(ZLIB REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED MODULE) # model files are read through ONNX's own protobuf messages
find_package(ONNX REQUIRED)
find_package(hwy REQUIRED)
find_library(PUNCTUAL_LMDB lmdb REQUIRED)
find_library(PUNCTUAL_LIBZIP zip REQUIRED) # its CMake files want programs that stand in other packages
find_library(PUNCTUAL_XGBOOST xgboost REQUIRED) # its own CMake file asks for a program that Debian leaves out
if(PUNCTUAL_TESTS)
  find_package(GTest REQUIRED)
endif()

# OpenVINO's headers, libraries and CMake files are inside its Python wheel, which script/setup puts into .venv.
if(NOT OpenVINO_DIR)
  file(GLOB punctual_openvino_dirs ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/openvino/cmake)
  if(NOT punctual_openvino_dirs)
    message(FATAL_ERROR "OpenVINO was not found in .venv: run script/setup, or pass -DOpenVINO_DIR=")
  endif()
  list(GET punctual_openvino_dirs 0 OpenVINO_DIR)
endif()
find_package(OpenVINO REQUIRED COMPONENTS Runtime)

# XXH3 is used from its header alone, so that it is inlined.
add_library(punctual_xxhash INTERFACE)
target_compile_definitions(punctual_xxhash INTERFACE XXH_INLINE_ALL)

include(libvalkey)
