# The generators set DEBUG_POSTFIX of an extension module from this; only Windows has one.
set(PythonExtra_POSTFIX "")
set(PythonExtra_FOUND TRUE)
