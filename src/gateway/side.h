/*
 * The gateway's side: an FTP server inside the process, whose files are on the
 * SFTP server of the links (tunnel/side.h).  Connecting for control makes a
 * session of it (gateway/gateway.h) with an SFTP channel of its own; connecting
 * to a port that its reply to PASV or EPSV has named makes the data connection.
 * Nobody can listen on it.
 *
 * A control connection is open when the SFTP server has answered; until then
 * closed() says why it does not.  With config->check_logins it is open at once,
 * and the SFTP server is used after the login.
 */
#ifndef GATEWAY_SIDE_H
#define GATEWAY_SIDE_H

#include "gateway/gateway.h"
#include "gateway/login_check.h"
#include "ssh/login.h"
#include "tunnel/side.h"

/* All arguments are borrowed and outlive the side.  checker: for
 * config->check_logins; else it may be NULL.  log_name: of the tunnel, for the
 * log; or NULL.  NULL when out of memory. */
struct side *gateway_side_new(struct uv_loop_s *loop, struct links *links,
    const struct gateway_config *config, struct login_checker *checker,
    const char *log_name);

/* Who may log in from now on; the side keeps the file.  Call it before the
 * first client connects, if config->check_logins. */
void gateway_side_set_logins(struct side *side, struct login_file *file);

/* With config->login_connects: logins are those of the SSH server, and each
 * session has a connection of its own.  link: of the first link to the
 * destination; both are borrowed.  Call it before the first client connects. */
void gateway_side_set_ssh_logins(struct side *side, struct ssh_logins *logins,
    const struct link_options *link);

/* Does no session of it need the link any more?  A session whose client has
 * gone may still be removing a temporary file; so before the link is ended, or
 * the side is freed, wait until it is settled, but not for ever. */
bool gateway_side_is_settled(const struct side *side);

#endif
