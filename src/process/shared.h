/*
 * What the parts of the running process share.  app.c makes it and owns all of
 * it; the others borrow it for as long as they exist.
 */
#ifndef PROCESS_SHARED_H
#define PROCESS_SHARED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/activation.h"
#include "base/privdir.h"
#include "capture/socks_side.h"
#include "gateway/login_check.h"
#include "net/sock.h"
#include "process/logins.h"
#include "ssh/login.h"
#include "ssh/monitor.h"
#include "ssh/window.h"
#include "tunnel/side.h"
#include "tunnel/transfer_log.h"
#include "tunnel/tunnel.h"

enum exit_status {
	EXIT_STOPPED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_CONNECTED = 255, /* ssh's own */
};

/* What destinations report.  ctx is that of struct shared. */
struct destination_handler {
	void (*changed)(void *ctx); /* one has connected, or was lost */
	void (*failed)(void *ctx);  /* a tunnel cannot start; it was logged */

	/* Its ssh has ended and will not be started again. */
	void (*ended)(void *ctx, enum exit_status status);
};

struct shared {
	uv_loop_t loop;
	uint64_t began_at; /* uv_now() */
	struct monitor *monitor;
	char directory[PRIVDIR_MAX];
	struct activation activation; /* the sockets of the service manager */
	struct net *net;
	struct side *near;
	struct socks_hub *socks;
	struct owners *owners;
	struct window_budget budget;
	struct tunnel_count count;
	struct transfer_log *transfer_log; /* or NULL */
	const struct logins *logins;	   /* those that tunnels name now */
	struct login_checker *checker;
	struct ssh_logins *ssh_logins;

	/* The latest configuration, for its rules; or NULL. */
	const struct config *config;

	/* The tunnels come from a configuration file.  Then, if the first
	 * attempt to connect fails, culvert retries. */
	bool named;
	bool draining;
	bool stopping;

	TAILQ_HEAD(, destination) destinations;
	bool low_ports; /* one of them will listen below port 1024 */
	bool foreign;	/* one of them uses addresses of other hosts */
	bool started;	/* one of them has started its tunnels */
	const struct destination_handler *handler;
	void *ctx; /* of the handler */
};

#endif
