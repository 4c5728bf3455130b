/*
 * culvert up: tunnels of the configuration file, in one process.
 */
#include <stddef.h>

#include "cmd/cmd.h"
#include "process/up.h"

static const char help[] =
    "usage: culvert up [-f FILE] [-qv] [--background] NAME...\n"
    "       culvert up [-f FILE] [-qv] [--background] --all\n"
    "\n"
    "Starts these tunnels of the configuration file, or all of them, in one process\n"
    "that runs until a signal ends it.\n"
    "\n"
    "  -f FILE           read this file (default: ~/.config/culvert/culvert.conf, or,\n"
    "                    if there is none, /etc/culvert/culvert.conf)\n"
    "      --all         start all tunnels of the file\n"
    "      --background  go to the background when each destination is connected, or\n"
    "                    could not be reached at first and is retried\n"
    "  -q                print only errors\n"
    "  -v                print more; -vv: the FTP commands and replies as well; -vvv:\n"
    "                    also what ssh -v prints; -vvvv: ssh -vv, and so on\n"
    "      --help\n"
    "\n"
    "culvert config prints what the file says; culvert.conf(5) describes it.\n"
    "Exit status: 0 stopped by a signal, 1 failed, 2 bad usage, 255 ssh could not\n"
    "connect to any destination.\n";

int
command_up(int argc, char **argv)
{
	struct command_line line;
	int status = EXIT_FAILED;

	if (command_line_read(argc, argv, "all", true, help, &line, &status))
		return status;
	if ((line.flag > 0) == (line.n_names > 0))
		return command_misused(argv[0],
		    line.flag ? "use either --all or names of tunnels, not "
				"both" :
				"no tunnel was named: give names of tunnels, "
				"or --all");
	return up_run(&line);
}
