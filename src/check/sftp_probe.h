/*
 * A connection of culvert check to the SFTP server of the destination: one
 * request at a time, or the blocks of a test file, many at a time.  Each call
 * waits until it has its result (wait.h).
 */
#ifndef CHECK_SFTP_PROBE_H
#define CHECK_SFTP_PROBE_H

#include "check/peer.h"
#include "gateway/status.h"
#include "sftp/client.h"

/* All members are 0 before the first call, but for wait. */
struct sftp_probe {
	struct wait *wait;
	struct peer peer;
	struct sftp *sftp;
	bool ready;  /* the server has sent its version */
	bool silent; /* it has not answered in time: nothing more is asked */

	/* What the last request got. */
	enum status_of of; /* what it was about */
	bool answered;
	uint32_t status;	  /* enum sftp_status */
	char why[FACT_MAX];	  /* ... if that is not SFTP_OK */
	char text[SFTP_PATH_MAX]; /* the first name of a NAME */
	struct sftp_attrs attrs;
	struct sftp_space space;

	/* Of the file or directory that is open; len 0: there is none. */
	uint8_t handle[SFTP_PATH_MAX];
	size_t handle_len;
};

/* Opens it.  False: it is not ready, and probe->peer says why not. */
bool sftp_probe_open(struct sftp_probe *probe, struct link *link);

/* Sends a request, and waits for its reply.  of: for the words in why.  True if
 * it has succeeded. */
bool sftp_probe_send(struct sftp_probe *probe, enum status_of of,
    const struct sftp_request *request);

/* The same for a request with nothing but a path. */
bool sftp_probe_path(struct sftp_probe *probe, enum sftp_op op,
    const char *path);

/* The same for what is open: CLOSE or FSYNC. */
bool sftp_probe_handle(struct sftp_probe *probe, enum sftp_op op);

/* Waits until the server has answered everything; also when the check is over,
 * unless it is interrupted once more. */
void sftp_probe_settle(struct sftp_probe *probe);

void sftp_probe_close(struct sftp_probe *probe);

/* ---- a test file ---- */

/* READs and WRITEs at the same time, as sftp(1) has them. */
#define SFTP_PROBE_BLOCKS 64

/* A READ or WRITE, and what is still missing of it. */
struct sftp_block {
	struct sftp_copy *copy; /* NULL: not in use */
	uint64_t offset;
	uint32_t len;
};

struct sftp_copy {
	bool write; /* else read, and compare */
	uint32_t block_len;
	uint64_t size; /* of the file */
	uint64_t ms;   /* how long to begin new blocks */

	/* The result. */
	uint64_t done; /* bytes; fewer than size after that time */
	uint64_t ns;
	bool differs; /* what was read is not what was written */

	struct sftp_probe *probe;
	uint64_t next; /* offset */
	unsigned most; /* blocks at the same time */
	unsigned running;
	bool failed;
	struct sftp_block blocks[SFTP_PROBE_BLOCKS];
	uint8_t data[SFTP_BLOCK]; /* the beginning of each block */
};

/* Writes the open file, or reads it.  The members after ms are 0 before the
 * call.  False: probe->why says why not, or it differs. */
bool sftp_probe_copy(struct sftp_probe *probe, struct sftp_copy *copy);

#endif
