# The library for others: libpunctual.so with all of src/ up to engine/, the public headers, and find_package(punctual).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(module base tensor telemetry market features model backend_openvino backend_native_kernels backend_native cache_record cache_disk cache_redis cache answer users request_log engine)
  list(APPEND punctual_objects $<TARGET_OBJECTS:punctual_${module}>)
endforeach()
# The same rpath built and installed: where they differ, CMake pads the shorter one with empty elements, and the loader
# takes an empty element for the current directory.
cmake_path(SET punctual_rpath NORMALIZE ${OpenVINO_DIR}/../libs)
set(punctual_rpath_properties INSTALL_RPATH ${punctual_rpath} BUILD_WITH_INSTALL_RPATH ON)

add_library(libpunctual SHARED ${punctual_objects})
set_target_properties(libpunctual PROPERTIES
  LINKER_LANGUAGE CXX OUTPUT_NAME punctual EXPORT_NAME punctual
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  ${punctual_rpath_properties})
target_link_libraries(libpunctual PRIVATE openvino::runtime hwy::hwy prometheus-cpp::core ZLIB::ZLIB Threads::Threads
  onnx_proto protobuf::libprotobuf ${PUNCTUAL_LMDB} punctual_valkey OpenSSL::SSL OpenSSL::Crypto)
target_include_directories(libpunctual INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(libpunctual INTERFACE cxx_std_20)

install(TARGETS libpunctual EXPORT punctual LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS punctual RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set_target_properties(punctual PROPERTIES ${punctual_rpath_properties})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/punctual DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT punctual NAMESPACE punctual:: FILE punctual-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/punctual)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/punctual-config.cmake.in punctual-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/punctual)
write_basic_package_version_file(punctual-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/punctual-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/punctual-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/punctual)
