/*
 * What the subcommands share.
 */
#include "cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "process/app.h"
#include "base/log.h"
#include "conf/config.h"

int
command_misused(const char *name, const char *what)
{
	log_err("%s", what);
	log_err("see culvert %s --help", name);
	return EXIT_USAGE;
}

#define WORDS_MAX 8

/* For getopt_long(3): its two lists. */
static void
list_words(const struct command_word *words, struct option *list, char *letters)
{
	*letters++ = ':';
	*letters++ = 'h';
	*list++ = (struct option) { "help", no_argument, NULL, 'h' };
	for (; words->letter != 0; words++) {
		if (words->letter < COMMAND_LONG)
			*letters++ = (char)words->letter;
		if (words->letter < COMMAND_LONG && words->value != NULL)
			*letters++ = ':';
		if (words->name == NULL)
			continue;
		*list++ = (struct option) { words->name,
			words->value != NULL ? required_argument : no_argument,
			NULL, words->letter };
	}
	*letters = '\0';
	*list = (struct option) { NULL, 0, NULL, 0 };
}

/* False: it is none of them. */
static bool
cmd_take_word(const struct command_word *words, int letter)
{
	while (words->letter != 0 && words->letter != letter)
		words++;
	if (words->letter == 0)
		return false;
	if (words->value != NULL)
		*words->value = optarg;
	if (words->count != NULL)
		++*words->count;
	return true;
}

bool
command_read(int argc, char **argv, const struct command_word *words,
    const char *help, int *ret_first, int *ret_status)
{
	struct option list[WORDS_MAX + 2];
	char letters[2 * WORDS_MAX + 3], what[200];
	int letter;

	list_words(words, list, letters);
	optind = 0;
	while ((letter = getopt_long(argc, argv, letters, list, NULL)) != -1) {
		if (letter == 'h') {
			fputs(help, stdout);
			*ret_status = EXIT_STOPPED;
			return true;
		}
		if (cmd_take_word(words, letter))
			continue;
		snprintf(what, sizeof(what),
		    letter == ':' ? "%s needs a value" : "unknown option %s",
		    argv[optind - 1]);
		*ret_status = command_misused(argv[0], what);
		return true;
	}
	*ret_first = optind;
	return false;
}

bool
command_line_read(int argc, char **argv, const char *flag, bool background,
    const char *help, struct command_line *ret, int *ret_status)
{
	const struct command_word words[] = {
		{ "file", 'f', .value = &ret->path },
		{ flag, COMMAND_LONG, .count = &ret->flag },
		{ NULL, 'q', .count = &ret->quiet },
		{ NULL, 'v', .count = &ret->verbose },
		{ background ? "background" : NULL, COMMAND_LONG + 1,
		    .count = &ret->background },
		{ .letter = 0 },
	};
	int first;

	*ret = (struct command_line) { .path = NULL };
	if (command_read(argc, argv, words, help, &first, ret_status))
		return true;
	ret->names = argv + first;
	ret->n_names = argc - first;
	if (ret->path == NULL)
		ret->path = config_default_path(ret->default_path,
		    sizeof(ret->default_path));
	return false;
}
