// The whole program of src/cli, with one more backend that misbehaves on command: bench/faulty_backend.cc.
#include "cli/commands.h"

int main(int argc, char** argv) { return punctual::RunProgram(argc, argv); }
