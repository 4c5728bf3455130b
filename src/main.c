/*
 * culvert: FTP through SSH.  The table of subcommands.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/process.h"
#include "base/title.h"
#include "cmd/cmd.h"
#include "ssh/askpass.h"

/* In "culvert -- config", "config" is a destination. */
static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
} subcommands[] = {
	{ "capture-rules", command_capture_rules },
	{ "check", command_check },
	{ "config", command_config },
	{ "drain", command_order },
	{ "exec", command_exec },
	{ "passwd", command_passwd },
	{ "reload", command_order },
	{ "status", command_status },
	{ "stop", command_order },
	{ "up", command_up },
};

/* Without the name of a subcommand: culvert DESTINATION. */
static int
dispatch(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]);
	     i++)
		if (argc > 1 && strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].run(argc - 1, argv + 1);
	return command_run(argc, argv);
}

int
main(int argc, char **argv)
{
	int status = EXIT_FAILURE, err;
	char **copy;

	if (askpass_is_helper(argc, argv))
		return askpass_help(argv[1]);
	err = process_prepare();
	if (err != 0) {
		log_err("cannot open /dev/null: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	/* Kernels before 5.18 start programs without even a name. */
	if (argc < 1)
		return EXIT_FAILURE;
	/* The monitor gives itself another name: title_set(). */
	copy = title_copy_arguments(argc, argv);
	if (copy == NULL)
		log_err("out of memory");
	else
		status = dispatch(argc, copy);
	free(copy);
	return status;
}
