/*
 * Names to addresses: getaddrinfo(3) in libuv's thread pool.  uv_getaddrinfo()
 * is not used, because it rejects some names inside the call and not from the
 * loop.
 */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

struct resolve {
	uv_work_t work;
	char *host;
	uint16_t port;
	resolve_cb *done; /* NULL once cancelled */
	void *ctx;
	int err;	  /* the result of getaddrinfo() */
	int system_errno; /* if that is EAI_SYSTEM */
	struct addrinfo *list;
};

static void
resolve_free(struct resolve *resolve)
{
	if (resolve->list != NULL)
		freeaddrinfo(resolve->list);
	free(resolve->host);
	free(resolve);
}

/* Runs in a thread of the pool. */
static void
resolve_work(uv_work_t *work)
{
	struct resolve *resolve = work->data;
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};

	resolve->err = getaddrinfo(resolve->host, NULL, &hints, &resolve->list);
	resolve->system_errno = errno;
}

/* Runs in the loop, after resolve_work(). */
static void
resolve_after(uv_work_t *work, int status)
{
	struct resolve *resolve = work->data;
	struct addr found[RESOLVE_MAX];
	const char *why = NULL;
	size_t n = 0;

	if (status != 0 || resolve->done == NULL) {
		resolve_free(resolve);
		return;
	}
	for (const struct addrinfo *ai = resolve->list;
	     ai != NULL && n < RESOLVE_MAX; ai = ai->ai_next) {
		if (addr_from_sockaddr(ai->ai_addr, &found[n]) == 0)
			found[n++].port = resolve->port;
	}
	if (resolve->err == EAI_SYSTEM)
		why = strerror(resolve->system_errno);
	else if (n == 0)
		why =
		    gai_strerror(resolve->err != 0 ? resolve->err : EAI_NONAME);
	resolve->done(resolve->ctx, found, n, why);
	resolve_free(resolve);
}

struct resolve *
resolve_start(uv_loop_t *loop, const char *host, uint16_t port,
    resolve_cb *done, void *ctx)
{
	struct resolve *resolve = calloc(1, sizeof(*resolve));

	if (resolve == NULL)
		return NULL;
	resolve->work.data = resolve;
	resolve->port = port;
	resolve->done = done;
	resolve->ctx = ctx;
	resolve->host = strdup(host);
	if (resolve->host == NULL ||
	    uv_queue_work(loop, &resolve->work, resolve_work, resolve_after) !=
		0) {
		resolve_free(resolve);
		return NULL;
	}
	return resolve;
}

void
resolve_cancel(struct resolve *resolve)
{
	if (resolve == NULL)
		return;
	resolve->done = NULL;
	/* A look-up that is running cannot be stopped; its answer is dropped.
	 */
	uv_cancel((uv_req_t *)&resolve->work);
}
