/*
 * For fuzz_gateway.c: an SFTP server whose replies are well-formed.
 */
#ifndef FUZZ_GATEWAY_PEER_H
#define FUZZ_GATEWAY_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Types of packets (draft-ietf-secsh-filexfer-02 section 3). */
enum {
	INIT = 1,
	OPEN = 3,
	CLOSE,
	READ,
	WRITE,
	LSTAT,
	FSTAT
};
enum {
	OPENDIR = 11,
	READDIR,
	REMOVE,
	REALPATH = 16,
	STAT,
	RENAME,
	READLINK
};
enum {
	EXTENDED = 200
};

struct waiting {
	uint8_t type, id[4];
	uint8_t upload;	  /* whose handle it has; 0: none's */
	uint8_t from, to; /* temporary names in it; 0: none */
	uint32_t len;	  /* READ */
	char extension;
};

uint32_t peer_u32(const uint8_t bytes[4]);

/* Appends the packet behind its length: a good reply, of which how says what is
 * in it; or that status, if it is not 0. */
void peer_reply(struct buf *out, const struct waiting *one, uint8_t status,
    uint8_t how);

#endif
