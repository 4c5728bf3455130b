/*
 * The log: lines on standard error, each "culvert: ..." and complete.
 * What a peer sent must pass through log_escape() first.  This is the only
 * module besides main with state at file scope.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

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

/*
 * Writes one line, without a newline in format.  session is the number that
 * begins a session's lines ("culvert: [12] ..."), 0 for none.
 */
void log_line(enum log_level level, unsigned long session, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

#define log_err(...) log_line(LOG_LEVEL_ERR, 0, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, 0, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_verbose(...) log_line(LOG_LEVEL_VERBOSE, 0, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)

/*
 * Copies len bytes of a peer into text (size bytes, NUL included) so that a
 * terminal and a log reader are safe: printable ASCII and bytes of valid
 * UTF-8 letters stay, everything else, the backslash included, becomes \xNN.
 * What does not fit, or is beyond LOG_ESCAPED_MAX bytes of text, is cut and
 * ends in "...".  Trailing CR and LF are dropped.  Returns text.
 */
const char *log_escape(char *text, size_t size, const void *bytes, size_t len);

#endif
