/*
 * Command lines: the verb and its argument, and the properties of each verb.
 */
#ifndef FTP_COMMAND_H
#define FTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some servers take a part of a longer line for the next line.  inetutils does
 * so after 511 bytes. */
#define COMMAND_LONGEST 500

/* The verbs that the engine distinguishes.  All others are VERB_OTHER. */
enum verb {
	VERB_OTHER,
	VERB_EMPTY, /* a line without a verb; some servers do not answer */
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
	VERB_IS_PASSIVE = 1 << 1,    /* requests the server's host-port */
	VERB_SENDS = 1 << 2,	     /* a transfer from the client: upload */
	VERB_RECEIVES = 1 << 3,	     /* a transfer to the client: download */
	VERB_VOIDS_DATA = 1 << 4,    /* ends a prepared data connection */
	VERB_IS_SECRET = 1 << 5,     /* its argument never reaches a log */
	VERB_MAY_BE_SILENT = 1 << 6, /* some servers do not answer it */
	VERB_IS_ORDINARY = 1 << 7,   /* its reply has no host-port */
	VERB_READS = 1 << 8,	     /* changes nothing beyond the session */
	VERB_MOVES = 1 << 9,	     /* may change the working directory */
	VERB_HIDES = 1 << 10,	     /* its argument is an encoded command */
	VERB_IS_KNOWN = 1 << 11,     /* it is in the table of verbs */
};

/* Which part of the argument is a path. */
enum verb_takes {
	TAKES_ANYTHING,	 /* unknown; verbs that are not in the table */
	TAKES_NOTHING,	 /* no path */
	TAKES_FILE,	 /* all of it */
	TAKES_DIRECTORY, /* all of it: the new working directory */
	TAKES_PARENT,	 /* no path; enters the parent directory */
	TAKES_LISTED,	 /* after options, with wildcards; without an argument
			  * the working directory */
	TAKES_STATUS,	 /* after options; without an argument no path */
	TAKES_UNIQUE,	 /* all of it, and a file in the working directory */
	TAKES_TREE,	 /* all of it, with everything below it */
	TAKES_NEW_NAME,	 /* all of it: the new name of what RNFR named */
	TAKES_SECOND,	 /* after the first word */
	TAKES_TIMED,	 /* all of it, or after a first word that is a time */
	TAKES_WORD,	 /* all of it, if it is one word */
	TAKES_SITE,	 /* depends on the word after SITE */
	TAKES_COMMAND,	 /* it is another command */
};

struct command {
	enum verb verb;
	unsigned flags; /* enum verb_flag */
	enum verb_takes takes;
	size_t verb_at, verb_len; /* position in the line, bytes */
	size_t arg_at, arg_len;	  /* without the line end */
};

/*
 * Splits a line into verb and argument.  Skips Telnet commands at the
 * beginning, and blanks after them, because servers may do so, too.  The case
 * of the verb does not matter.  One or more blanks (space or tab) separate verb
 * and argument; trailing blanks belong to the argument.  An unknown verb
 * becomes VERB_OTHER without flags.
 */
void command_parse(const uint8_t *line, size_t len, struct command *ret);

/*
 * Returns a verb that the engine distinguishes and that some server may find in
 * the line although command_parse() does not; "" if a server may read the next
 * line as a part of this one; NULL if there is neither.
 *
 * Among the servers that were tried, some remove Telnet commands anywhere
 * (inetutils, proftpd), skip a CR at the beginning, take VT, FF and CR for
 * blanks (proftpd), or read the bytes after the first 511 as the next command
 * (inetutils).  tests/integration/liberal.py finds such servers.
 */
const char *command_hidden(const uint8_t *line, size_t len,
    const struct command *command);

/* Returns the position of the first control character in the argument after
 * which a server might read SITE or a command that is VERB_IS_SECRET; the end
 * of the text if there is none. */
size_t command_secret_at(const uint8_t *line, size_t len,
    const struct command *command);

/*
 * Returns how many bytes of the line a log may show; the rest may be a
 * password.  Of a verb in the table, the argument is shown: for USER and AUTH
 * only its first word, for SITE only if the word after SITE is known to be
 * harmless, and not for verbs that are VERB_IS_SECRET.  Of another verb, only
 * the verb is shown, or nothing if it does not look like a verb, because
 * somebody may have typed a password there.  If a server might read PASS or
 * SITE after a control character, nothing is shown from that character on
 * (command_secret_at()).
 */
size_t command_shown(const uint8_t *line, size_t len,
    const struct command *command);

/*
 * Copies the line as a log may show it: without the line end, not escaped, and
 * with "****" in place of the bytes that command_shown() excludes.  Writes at
 * most size bytes, with the NUL.  Returns the length without the NUL.
 */
size_t command_loggable(const uint8_t *line, size_t len,
    const struct command *command, char *text, size_t size);

/* The verb in capitals, for log lines; "" for VERB_OTHER and VERB_EMPTY. */
const char *verb_name(enum verb verb);

/* Is the verb of the line one of the names, regardless of case?  The list ends
 * with NULL.  It is for verbs that are VERB_OTHER. */
bool command_name_is_one_of(const struct command *command, const uint8_t *line,
    const char *const *names);

#endif
