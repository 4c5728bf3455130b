/*
 * What an FTP client is told when an SFTP request fails.
 */
#ifndef GATEWAY_STATUS_H
#define GATEWAY_STATUS_H

#include <stddef.h>

#include "sftp/packet.h"

/* What was requested: the same failure has different codes (RFC 959 section
 * 5.4). */
enum status_of {
	STATUS_OF_FILE,	 /* a file or a directory: 550 */
	STATUS_OF_STORE, /* opening a file to be written, renaming it: 553 */
	STATUS_OF_WRITE, /* writing, also CLOSE and fsync: 552 */
	STATUS_OF_READ,	 /* reading: 451 */
};

#define STATUS_TEXT_MAX 256

/* The FTP code for a reply that is a STATUS and not SFTP_OK; and a text for the
 * client in text, without control characters, which names the cause. */
unsigned status_to_ftp(enum status_of of, const struct sftp_reply *reply,
    char text[STATUS_TEXT_MAX]);

#endif
