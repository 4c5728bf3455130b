/*
 * Command lines: the verb and its argument, and what culvert must know of
 * each verb.
 */
#ifndef FTP_COMMAND_H
#define FTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some servers take the rest of a longer line for the next one: inetutils' from
 * 511 bytes on. */
#define COMMAND_LONGEST 500

/* Verbs that the engine acts upon.  Every other one is VERB_OTHER. */
enum verb {
	VERB_OTHER,
	VERB_EMPTY, /* a line without a verb: some servers do not answer */
	VERB_USER,
	VERB_PASS,
	VERB_ACCT,
	VERB_REIN,
	VERB_QUIT,
	VERB_ABOR,
	VERB_MODE,
	VERB_STRU,
	VERB_REST,
	VERB_ALLO,
	VERB_SIZE, /* RFC 3659 */
	VERB_TYPE,
	VERB_FEAT,
	VERB_AUTH,
	VERB_PORT, /* RFC 959 */
	VERB_EPRT, /* RFC 2428 */
	VERB_LPRT, /* RFC 1639, refused */
	VERB_PASV, /* RFC 959; also P@SW (Netscape's) and CPSV (FXP) */
	VERB_EPSV, /* RFC 2428 */
	VERB_LPSV, /* RFC 1639, refused */
	VERB_RETR,
	VERB_STOR,
	VERB_STOU,
	VERB_APPE,
	VERB_LIST,
	VERB_NLST,
	VERB_MLSD,
};

enum verb_flag {
	VERB_IS_ACTIVE = 1 << 0,     /* announces the client's host-port */
	VERB_IS_PASSIVE = 1 << 1,    /* asks for the server's */
	VERB_SENDS = 1 << 2,	     /* a transfer from the client: upload */
	VERB_RECEIVES = 1 << 3,	     /* a transfer to the client: download */
	VERB_VOIDS_DATA = 1 << 4,    /* what was prepared is void after it */
	VERB_IS_SECRET = 1 << 5,     /* its argument never reaches a log */
	VERB_MAY_BE_SILENT = 1 << 6, /* may be answered by no reply */
	VERB_IS_ORDINARY = 1 << 7,   /* no announcement answers it */
	VERB_READS = 1 << 8,	 /* changes nothing that outlasts the session */
	VERB_MOVES = 1 << 9,	 /* the working directory may be another one */
	VERB_HIDES = 1 << 10,	 /* its argument is a command */
	VERB_IS_KNOWN = 1 << 11, /* it is in the table */
};

/* Where its argument has a path. */
enum verb_takes {
	TAKES_ANYTHING,	 /* nobody knows: every verb that is not in the table */
	TAKES_NOTHING,	 /* it has none */
	TAKES_FILE,	 /* all of it */
	TAKES_DIRECTORY, /* all of it, and it is entered */
	TAKES_PARENT,	 /* none: the one above the working directory */
	TAKES_LISTED,	 /* behind options, with wildcards; none: the working
			  * directory */
	TAKES_STATUS,	 /* the same; none: none is meant */
	TAKES_UNIQUE,	 /* all of it; and something in the working directory */
	TAKES_TREE,	 /* all of it, and what is in it */
	TAKES_NEW_NAME,	 /* all of it, and that becomes it */
	TAKES_SECOND,	 /* behind a word */
	TAKES_TIMED,	 /* all of it, or behind a word that is a time */
	TAKES_WORD,	 /* all of it, if that is one word */
	TAKES_SITE,	 /* what the word after SITE says */
	TAKES_COMMAND,	 /* it is a command of its own */
};

struct command {
	enum verb verb;
	unsigned flags; /* enum verb_flag */
	enum verb_takes takes;
	size_t verb_at, verb_len; /* within the line, in bytes */
	size_t arg_at, arg_len;	  /* after the blanks; no CR LF */
};

/*
 * Takes a line apart.  Telnet commands and then blanks in front are skipped
 * (a server may do so too), the case of the verb does not matter, one or more
 * blanks (space or tab) separate the argument, trailing blanks belong to it.
 * Never fails: what is not known is VERB_OTHER with no flags.
 */
void command_parse(const uint8_t *line, size_t len, struct command *ret);

/*
 * The verb that a server may find in the line, though command_parse() does not;
 * NULL: none that matters here.  Of the servers that were tried one or another
 * takes Telnet commands out wherever they are (inetutils, proftpd), looks past
 * a CR in front, takes VT, FF and CR for blanks (proftpd), and reads what is
 * behind the first 511 bytes as the next command (inetutils);
 * tests/integration/ liberal.py finds them out.  "" means that it would read
 * the next line as a part of this one.
 */
const char *command_hidden(const uint8_t *line, size_t len,
    const struct command *command);

/* Where in the argument, behind a control character, a server might read one
 * more command whose argument is VERB_IS_SECRET, or SITE; or the end of the
 * text. */
size_t command_secret_at(const uint8_t *line, size_t len,
    const struct command *command);

/*
 * How many bytes of the line a log may show; less than its text: the rest may
 * be a password.  A positive list: only of a verb in the table, and of a word
 * of SITE that is known to be harmless, the argument is shown; of USER and AUTH
 * its first word.  Of another verb only the verb is shown, and nothing at all
 * when it does not look like one: somebody may have typed a password there.
 * What follows a control character is shown unless a server might read PASS or
 * SITE in it.
 */
size_t command_shown(const uint8_t *line, size_t len,
    const struct command *command);

/*
 * The line as a log may show it: "****" stands for what command_shown() leaves
 * out.  Copies at most size - 1 bytes and a NUL, without the
 * line end, not escaped.  Returns the length copied.
 */
size_t command_loggable(const uint8_t *line, size_t len,
    const struct command *command, char *text, size_t size);

/* The verb in capitals, for log lines; "" for VERB_OTHER and VERB_EMPTY. */
const char *verb_name(enum verb verb);

/* Is its verb, as it stands in line, one of the names, in any case?  They end
 * in NULL; for verbs that the table does not tell apart. */
bool command_name_is_one_of(const struct command *command, const uint8_t *line,
    const char *const *names);

#endif
