/*
 * The command line.
 */
#include "conf/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/option.h"

/* What getopt_long() returns for options without a letter: the first two of
 * these, then those of a subcommand, then those of the table. */
enum {
	IS_HELP = 256,
	IS_VERSION,
	FIRST_OWN,
	FIRST_OF_TABLE = FIRST_OWN + 16,
};

#define TABLE_MAX 80

/* The state of reading a command line. */
struct command {
	const struct options_more *more;
	struct options *options; /* NULL: only more's own options */
	char *why;
	size_t why_size;

	/* The arguments of getopt_long(). */
	struct option list[FIRST_OF_TABLE - FIRST_OWN + TABLE_MAX + 3];
	size_t n_list;
	char letters[3 * TABLE_MAX];
};

int
options_list_add(struct options_list *list, const char *text)
{
	const char **grown =
	    realloc(list->texts, (list->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	list->texts = grown;
	grown[list->n++] = text;
	return 0;
}

/* ---- the lists for getopt_long() ---- */

static void
add_letter(struct command *command, char letter, bool value)
{
	char text[] = { letter, value ? ':' : '\0', '\0' };

	/* The first entry for a letter counts, so that an option of a
	 * subcommand hides that of the table. */
	if (strchr(command->letters, letter) == NULL)
		strcat(command->letters, text);
}

static void
add_long(struct command *command, const char *name, bool value, int val)
{
	for (size_t i = 0; i < command->n_list; i++)
		if (strcmp(command->list[i].name, name) == 0)
			return;
	command->list[command->n_list++] = (struct option) {
		.name = name,
		.has_arg = value ? required_argument : no_argument,
		.val = val,
	};
}

static bool
own_has_value(const struct options_own *own)
{
	return own->value != NULL || own->list != NULL;
}

static void
list_all(struct command *command)
{
	const struct options_own *own = command->more->own;
	const struct option_entry *option;

	assert(option_at(TABLE_MAX) == NULL);
	/* Because of the colon in front, getopt_long() prints no errors. */
	strcpy(command->letters, ":h");
	for (int i = 0; own != NULL && (own[i].name != NULL || own[i].letter);
	     i++) {
		assert(FIRST_OWN + i < FIRST_OF_TABLE);
		if (own[i].letter != '\0')
			add_letter(command, own[i].letter,
			    own_has_value(&own[i]));
		if (own[i].name != NULL)
			add_long(command, own[i].name, own_has_value(&own[i]),
			    FIRST_OWN + i);
	}
	add_long(command, "help", false, IS_HELP);
	add_long(command, "version", false, IS_VERSION);
	if (command->options == NULL)
		return;
	for (int i = 0; (option = option_at((size_t)i)) != NULL; i++)
		if (option->name[1] == '\0')
			add_letter(command, option->name[0], !option->bare);
		else if (!option->file_only)
			add_long(command, option->name, !option->bare,
			    FIRST_OF_TABLE + i);
}

/* ---- one option ---- */

/* Several letters may be in one word.  Then word does not name the option. */
static enum options_result
bad_option(const struct command *command, const char *word, bool known)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (optopt > 0 && optopt < 256)
		word = letter;
	option_refuse(command->why, command->why_size,
	    known ? "%s needs a value" : "unknown option %s", word);
	return OPTIONS_BAD;
}

static enum options_result
take_own(const struct command *command, const struct options_own *own)
{
	if (own->list != NULL && options_list_add(own->list, optarg) != 0) {
		option_refuse(command->why, command->why_size, "out of memory");
		return OPTIONS_BAD;
	}
	if (own->count != NULL)
		++*own->count;
	if (own->value != NULL)
		*own->value = optarg;
	return OPTIONS_RUN;
}

static enum options_result
take_of_table(const struct command *command, const struct option_entry *option)
{
	const struct options_more *more = command->more;
	const char *dashes = option->name[1] == '\0' ? "-" : "--";
	const char *text = optarg;
	char why[200] = "out of memory";

	if (more->given != NULL)
		more->given(more->ctx, option, text);
	if (option_take(command->options, option, text != NULL ? text : "yes",
		why, sizeof(why)) == 0)
		return OPTIONS_RUN;
	option_refuse(command->why, command->why_size, "%s%s%s%s: %s", dashes,
	    option->name, text != NULL ? " " : "", text != NULL ? text : "",
	    why);
	return OPTIONS_BAD;
}

static enum options_result
take_letter(const struct command *command, int letter, char **argv)
{
	const struct options_own *own = command->more->own;
	char name[] = { (char)letter, '\0' };

	switch (letter) {
	case 'h':
		return OPTIONS_SUMMARY;
	case IS_HELP:
		return OPTIONS_HELP;
	case IS_VERSION:
		return OPTIONS_VERSION;
	case ':':
	case '?':
		return bad_option(command, argv[optind - 1], letter == ':');
	default:
		break;
	}
	if (letter >= FIRST_OF_TABLE)
		return take_of_table(command,
		    option_at((size_t)(letter - FIRST_OF_TABLE)));
	if (letter >= FIRST_OWN)
		return take_own(command, &own[letter - FIRST_OWN]);
	for (; own != NULL && (own->name != NULL || own->letter); own++)
		if (own->letter == letter)
			return take_own(command, own);
	return take_of_table(command, option_find(name));
}

/* ---- all of them ---- */

/* Reads all options.  Then optind is the index of the first word after them. */
static enum options_result
read_command(int argc, char **argv, struct command *command)
{
	enum options_result result = OPTIONS_RUN;
	int letter;

	list_all(command);
	optind = 0;
	while (result == OPTIONS_RUN &&
	    (letter = getopt_long(argc, argv, command->letters, command->list,
		 NULL)) != -1)
		result = take_letter(command, letter, argv);
	return result;
}

enum options_result
options_read_own(int argc, char **argv, const struct options_own *own,
    int *ret_first, char why[256])
{
	const struct options_more more = { .own = own };
	struct command command = {
		.more = &more,
		.why = why,
		.why_size = 256,
	};
	enum options_result result = read_command(argc, argv, &command);

	*ret_first = optind;
	return result;
}

enum options_result
options_read(int argc, char **argv, const struct options_more *more,
    struct options *ret)
{
	struct command command = {
		.more = more,
		.options = ret,
		.why = ret->why,
		.why_size = sizeof(ret->why),
	};
	enum options_result result;

	options_set_defaults(ret);
	result = read_command(argc, argv, &command);
	if (result != OPTIONS_RUN)
		return result;
	if (optind == argc - 1) {
		ret->destination = argv[optind];
		return OPTIONS_RUN;
	}
	if (optind >= argc)
		option_refuse(ret->why, sizeof(ret->why),
		    "no destination: [user@]host, as for ssh");
	else
		option_refuse(ret->why, sizeof(ret->why),
		    "there can be only one destination; \"%s\" is one too many "
		    "(culvert runs no remote command)",
		    argv[optind + 1]);
	return OPTIONS_BAD;
}

enum options_result
options_parse(int argc, char **argv, struct options *ret)
{
	const struct options_own own[] = {
		{ "background", 'f', .count = &ret->background },
		{ .name = NULL },
	};
	const struct options_more more = { .own = own };
	enum options_result result = options_read(argc, argv, &more, ret);

	if (result == OPTIONS_RUN &&
	    (options_check_destination(ret->destination, ret->why,
		 sizeof(ret->why)) != 0 ||
		options_check(ret) != 0))
		return OPTIONS_BAD;
	return result;
}

void
options_set_log(const struct options *options)
{
	if (options->quiet)
		log_set_level(LOG_LEVEL_ERR);
	else if (options->verbose == 0)
		log_set_level(LOG_LEVEL_INFO);
	else
		log_set_level(options->verbose == 1 ? LOG_LEVEL_VERBOSE :
						      LOG_LEVEL_DEBUG);
}
