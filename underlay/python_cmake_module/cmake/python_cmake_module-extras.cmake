list(INSERT CMAKE_MODULE_PATH 0 "${python_cmake_module_DIR}/Modules")
