// punctual: the program.
#include "cli/commands.h"

int main(int argc, char** argv) { return punctual::RunProgram(argc, argv); }
