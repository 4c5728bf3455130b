/*
 * The values of all options, and the reading of a command line.  option.h has
 * the table of options.
 */
#ifndef CONF_OPTIONS_H
#define CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/subnet.h"
#include "conf/forward.h"

/* The most -L and -R of one command. */
#define OPTIONS_FORWARDS_MAX 64

/* The forward without -L and -R: to the usual FTP port, from a port that needs
 * no root. */
#define OPTIONS_DEFAULT_FORWARD "2121:localhost:21"

/* This -v and each further one are passed to ssh, too. */
#define OPTIONS_VERBOSE_SSH 3

/* --retry forever */
#define OPTIONS_RETRY_FOREVER UINT32_MAX

struct option_entry;

enum options_result {
	OPTIONS_RUN,
	OPTIONS_SUMMARY, /* -h was given */
	OPTIONS_HELP,	 /* --help was given */
	OPTIONS_VERSION, /* --version was given */
	OPTIONS_BAD,	 /* why says what is wrong; exit status 2 */
};

/* --server-mode */
enum options_mode {
	OPTIONS_SAME,
	OPTIONS_PASSIVE,
	OPTIONS_ACTIVE,
};

/* capture */
enum options_capture {
	OPTIONS_CAPTURE_NOT,
	OPTIONS_CAPTURE_REDIRECT, /* nft's "redirect": SO_ORIGINAL_DST */
	OPTIONS_CAPTURE_TPROXY,	  /* nft's "tproxy": IP_TRANSPARENT */
};

/* The values of an option that may be repeated.  The list is on the heap; argv
 * or a configuration owns the texts. */
struct options_list {
	const char **texts;
	size_t n;
};

/* Adds a text, which is not copied.  Returns 0 or -ENOMEM.  The caller frees
 * list->texts. */
int options_list_add(struct options_list *list, const char *text);

/* --login ssh */
struct options_login {
	bool ssh;		   /* an FTP login is an SSH login */
	struct options_list hosts; /* those that USER may name */
};

/* --upload, and what else only the gateway ("sftp/") has. */
struct options_sftp {
	bool in_place; /* --upload */
	bool fsync;
	bool no_setstat;
	bool no_concurrent_writes;
	unsigned newline;	/* enum newline of gateway/newline.h */
	const char *charset;	/* of clients; or NULL */
	const char *login_file; /* who may log in; NULL: anybody */
	uint64_t max_packet;	/* bytes; 0: the server's limit */
	uint64_t requests;
	uint64_t channels;
};

struct options {
	struct forward forwards[OPTIONS_FORWARDS_MAX];
	size_t n_forwards;	 /* 1 when none was given: the default */
	const char *destination; /* points into argv */
	const char *ssh;	 /* the program */
	struct options_list ssh_arguments; /* passed to it unchanged */
	bool batch;
	unsigned background; /* how often -f was given */
	bool quiet;
	unsigned verbose; /* how often -v was given */
	bool pass_foreign_port;
	bool allow_tls;
	bool any_user;
	uint64_t max_sessions;
	uint64_t max_per_address; /* 0: max_sessions */
	uint64_t max_logins;	  /* the same */
	uint64_t max_data;	  /* data connections of a session */
	uint64_t max_lines;	  /* per second; 0: no limit */
	uint64_t login_ms;	  /* 0: for ever */
	uint64_t keepalive_ms;	  /* 0: never */
	uint64_t drain_ms;	  /* at SIGTERM; 0: it cuts transfers */
	struct subnet *allow;	  /* heap */
	size_t n_allow;
	bool read_only;
	struct options_list deny; /* "STOR", "SITE CHMOD" */
	struct options_list allow_path;
	struct options_list deny_path;
	uint64_t rate;	       /* bytes/s of a tunnel; 0: no limit */
	uint64_t session_rate; /* bytes/s of a session; 0: no limit */
	enum options_mode server_mode;
	enum options_capture capture;
	bool server_data_host_reply;   /* --server-data-host reply */
	bool client_data_host_control; /* --client-data-host control */
	struct addr client_address;    /* AF_UNSPEC when not given */
	const char *far_address;       /* an address, or NULL */
	uint16_t client_ports_low;     /* 0 when not given */
	uint16_t client_ports_high;
	struct options_sftp sftp;
	struct options_login login;
	uint64_t links;	     /* 1 .. LIMIT_LINKS */
	uint64_t max_window; /* bytes */
	uint64_t max_memory; /* bytes */
	bool no_cipher_order;
	bool no_session;
	uint32_t retry;	       /* attempts in a row to reconnect a lost link */
	bool retry_given;      /* retry applies to the first attempt, too */
	uint64_t link_wait_ms; /* how long a client waits for the link */
	uint64_t survive_memory; /* bytes, for uploads of a tunnel */
	uint64_t survive_ms;	 /* see options_survive_ms() */
	bool survive_given;
	bool on_demand;
	uint64_t idle_exit_ms;	  /* of --on-demand; 0: never */
	struct addr metrics;	  /* AF_UNSPEC: none, or metrics_path */
	const char *metrics_path; /* a Unix socket; or NULL */
	const char *transfer_log; /* a file, or "journal"; or NULL */
	bool transfer_xferlog;	  /* in wu-ftpd's format */
	const char *user;	  /* the user to become; or NULL */
	bool no_confine;	  /* neither Landlock nor seccomp */
	char why[256];
};

/*
 * Reads the command line into *ret.  The caller calls options_free() in any
 * case.
 */
enum options_result options_parse(int argc, char **argv, struct options *ret);
void options_free(struct options *options);

/* An option of a subcommand.  It hides the option of the table that has the
 * same name.  A list of such options ends with a zeroed one. */
struct options_own {
	const char *name;   /* the long one, "json"; or NULL */
	char letter;	    /* the short one; or '\0' */
	unsigned *count;    /* is increased each time it is given; or NULL */
	const char **value; /* gets its value; NULL: it has none */
	struct options_list *list; /* ... or each of its values; or NULL */
};

/* What a subcommand adds to the table. */
struct options_more {
	const struct options_own *own; /* or NULL */

	/* Called for each option of the table that is given; value is NULL if
	 * it has none.  Both arguments stay valid as long as argv.  Or NULL. */
	void (*given)(void *ctx, const struct option_entry *option,
	    const char *value);
	void *ctx;
};

/*
 * Reads the command line like options_parse(), and the options that more adds.
 * Does not call options_check() and options_check_destination().
 */
enum options_result options_read(int argc, char **argv,
    const struct options_more *more, struct options *ret);

/*
 * Reads a subcommand's own options only.  *ret_first becomes the index of the
 * first word after them.  Returns OPTIONS_BAD with the reason in why, or
 * another result.
 */
enum options_result options_read_own(int argc, char **argv,
    const struct options_own *own, int *ret_first, char why[256]);

/* The texts of -h and --help, in parts; the list ends with NULL. */
const char *const *options_summary(void);
const char *const *options_help(void);

/* Sets every option to its default, with no forward and no destination. */
void options_set_defaults(struct options *options);

/*
 * Checks the options together: adds the default forward if there is none, and
 * refuses options that have no effect with these forwards, or a wrong one.
 * Returns 0, or -EINVAL with the reason in options->why.
 */
int options_check(struct options *options);

/* Checks that destination may be passed to ssh.  Returns 0, or -EINVAL with the
 * reason in why. */
int options_check_destination(const char *destination, char *why,
    size_t why_size);

/* Sets the level of the log by -q and -v. */
void options_set_log(const struct options *options);

/* How long a session outlives the SSH connection, in milliseconds; 0: not.
 * sftp: with the files of an SFTP server. */
uint64_t options_survive_ms(const struct options *options, bool sftp);

#endif
