/*
 * The log: complete lines "culvert: ..." on standard error, or entries of the
 * journal with fields.  Bytes from a peer must pass through log_escape() first.
 * This is the only module besides main, process.c and terminal.c with state at
 * file scope.
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

/* Longest escaped text of a peer in a log line, in bytes. */
#define LOG_ESCAPED_MAX 768

/* Sets the level above which lines are dropped. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* What a line is about.  A line on standard error begins with the tunnel and
 * the session ("culvert: plant: [12] ..."); in the journal all three are
 * fields. */
struct log_origin {
	const char *tunnel;    /* its name, or NULL; field TUNNEL */
	unsigned long session; /* its number, or 0; field SESSION */
	const char *peer;      /* the client's address, or NULL; field PEER */
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
 * log_line() does not wait until standard error can be written.  Lines that
 * cannot be written are dropped, and their number precedes the next line
 * (base/log_output.h).  Before this call, as in commands that end soon, it
 * waits.
 *
 * If standard error leads to the journal (JOURNAL_STREAM in systemd.exec(5)),
 * lines go to the journal's socket; those that it does not take go to standard
 * error.
 */
void log_open(void);

/* After a fork, when all but the standard descriptors were closed: lines go to
 * standard error, without waiting if log_open() was called before. */
void log_open_again(void);

/* Writes a line of another process of culvert unchanged: at most LOG_OUTPUT_MAX
 * bytes (base/log_output.h), with a newline at the end. */
void log_pass(const char *line, size_t len);

/* At the end of a process: writes what could not be written before.  Waits at
 * most LIMIT_LOG_END_MS. */
void log_flush(void);

/*
 * Copies len bytes from a peer to text (size bytes with the NUL) in a form that
 * is safe for terminals and log readers.  Printable ASCII and valid UTF-8
 * letters are unchanged; everything else, including the backslash, becomes
 * \xNN.  Text that does not fit, or exceeds LOG_ESCAPED_MAX, is cut and ends in
 * "...". Trailing CR and LF are dropped.  Returns text.
 */
const char *log_escape(char *text, size_t size, const void *bytes, size_t len);

/* Does text consist of printable ASCII, including the backslash, and of valid
 * UTF-8 letters?  With controls, bytes below 0x20 are permitted as well,
 * because JSON escapes them itself. */
bool log_is_plain(const char *text, bool controls);

/* Copies text to to, which has size bytes: unchanged if log_is_plain(text,
 * false) and it fits, else as log_escape() does.  Returns to. */
const char *log_show(char *to, size_t size, const char *text);

#endif
