//! The command line: arguments, one file per command, output, progress and exit codes.
