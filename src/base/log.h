/*
 * The log: lines on standard error, each "culvert: ..." and complete, or
 * entries of the journal with fields of their own.  What a peer sent must pass
 * through log_escape() first.  This is the only module besides main with state
 * at file scope.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERR, /* -q: only these */
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,	   /* the default */
	LOG_LEVEL_VERBOSE, /* -v */
	LOG_LEVEL_DEBUG,   /* -vv: the control transcript as well */
};

/* Most bytes of a peer that one log line shows. */
#define LOG_ESCAPED_MAX 768

/* Lines above this level are dropped from now on. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* What a line is about: the first two begin it ("culvert: plant: [12] ..."),
 * and all are fields in the journal. */
struct log_origin {
	const char *tunnel;    /* its name, or NULL; in the journal TUNNEL */
	unsigned long session; /* its number, 0 for none; SESSION */
	const char *peer;      /* the client's address, or NULL; PEER */
};

/* Writes one line, without a newline in format.  origin may be NULL. */
void log_line(enum log_level level, const struct log_origin *origin,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_err(...) log_line(LOG_LEVEL_ERR, NULL, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, NULL, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_verbose(...) log_line(LOG_LEVEL_VERBOSE, NULL, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

/*
 * For a process that serves sessions, before it is confined: from now on
 * log_line() does not wait for whoever reads standard error.  Lines that are
 * not taken are dropped, and the next line that is taken is preceded by their
 * number (base/log_output.h).  Until then, as in a command that ends soon, it
 * waits.
 *
 * Where standard error is the journal's (systemd.exec(5), JOURNAL_STREAM),
 * lines go to the journal's own socket; what that does not take goes to
 * standard error.
 */
void log_open(void);

/* After a fork, and after all but the standard descriptors were closed: to
 * standard error, without waiting if log_open() was called before. */
void log_open_again(void);

/* Writes a line of another process of culvert as it is: at most LOG_OUTPUT_MAX
 * bytes (base/log_output.h), with a newline at the end. */
void log_pass(const char *line, size_t len);

/* The end of a process: writes what could not be written so far; waits for
 * LIMIT_LOG_END_MS at most. */
void log_flush(void);

/*
 * Copies len bytes of a peer into text (size bytes, NUL included) so that a
 * terminal and a log reader are safe: printable ASCII and bytes of valid
 * UTF-8 letters stay, everything else, the backslash included, becomes \xNN.
 * What does not fit, or is beyond LOG_ESCAPED_MAX bytes of text, is cut and
 * ends in "...".  Trailing CR and LF are dropped.  Returns text.
 */
const char *log_escape(char *text, size_t size, const void *bytes, size_t len);

/* Would that keep all of it, however long, but for backslashes?  controls: and
 * but for those of ASCII, which JSON escapes itself. */
bool log_is_plain(const char *text, bool controls);

#endif
