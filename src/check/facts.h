/*
 * What the doctor has found out, each a text for its findings (advice.h), and
 * what it hears ssh say.  Pure: no I/O.
 */
#ifndef CHECK_FACTS_H
#define CHECK_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "check/server.h"

/* Bytes of a fact, its NUL included; what is longer is cut. */
#define FACT_MAX 1024

/* How ssh has failed, as far as its words tell. */
enum ssh_failure {
	SSH_NO_FAILURE, /* or one without known words */
	SSH_HOST_KEY_REVOKED,
	SSH_HOST_KEY_CHANGED,
	SSH_HOST_KEY_UNKNOWN,
	SSH_NO_COMMON_HOST_KEY,
	SSH_NO_COMMON_KEX,
	SSH_NO_COMMON_CIPHER,
	SSH_NO_COMMON_MAC,
	SSH_KEY_PERMISSIONS,
	SSH_TOO_MANY_KEYS,
	SSH_DENIED,
	SSH_CONFIGURATION,
	SSH_UNKNOWN_NAME,
	SSH_REFUSED,
	SSH_SILENT,
	SSH_CLOSED,
};

/* Empty: not known.  The names are those that advice.c has in braces. */
struct facts {
	/* Asked for. */
	char destination[FACT_MAX]; /* or the tunnel */
	char config[FACT_MAX];	    /* the configuration file */
	char nearest[FACT_MAX];	    /* tunnel there */
	char ssh_command[FACT_MAX]; /* "ssh -F ... destination" */
	char culvert[FACT_MAX];	    /* where culvert's options stand */

	/* By ssh -G. */
	char host[FACT_MAX];
	char port[FACT_MAX];
	char user[FACT_MAX];
	char proxy[FACT_MAX]; /* "ProxyJump gate" */

	/* By the name service and TCP. */
	char addresses[FACT_MAX];
	char address[FACT_MAX]; /* that was connected to, with the port */
	char tcp_ms[FACT_MAX];

	/* By ssh -v. */
	char sshd[FACT_MAX]; /* its version, "OpenSSH_9.2p1 ..." */
	char kex[FACT_MAX];
	char cipher[FACT_MAX];
	char host_key[FACT_MAX];       /* "ssh-ed25519 SHA256:..." */
	char host_key_name[FACT_MAX];  /* under which it is looked for */
	char host_key_place[FACT_MAX]; /* FILE:LINE, right or wrong */
	char known_hosts[FACT_MAX];    /* that FILE */
	char methods[FACT_MAX];	       /* that sshd takes, "publickey,..." */
	char login_at[FACT_MAX];       /* who is asked, "host:port" */
	char keys[FACT_MAX];	       /* that were offered */
	char accepted[FACT_MAX];       /* that sshd would take */
	char method[FACT_MAX];	       /* that has succeeded */
	char offer[FACT_MAX];	       /* where nothing is in common */
	char key_file[FACT_MAX];       /* of bad permissions */
	char key_place[FACT_MAX];      /* FILE:LINE in authorized_keys */
	char key_options[FACT_MAX];    /* " permitopen port-forwarding ..." */
	char session[FACT_MAX];	       /* "; a session there says: ..." */
	char not_forwarded[FACT_MAX];  /* sshd's words on a remote forward */
	char ssh_why[FACT_MAX];	       /* the line that tells the failure */
	enum ssh_failure ssh_failure;
	bool host_taken;   /* its key; what follows are also sshd's words */
	bool signing;	   /* sshd has the name of the key, and waits */
	bool refused;	   /* ... and then refuses it all the same */
	bool partial;	   /* sshd has taken the key, and wants more */
	bool typed;	   /* ssh has asked for a password */
	bool no_terminal;  /* ... but there is nobody */
	bool no_algorithm; /* of a key, to sign with */
	bool expired;	   /* the password or account, a session says */

	/* Of the forward at hand, and of what was tried last. */
	char forward[FACT_MAX];	    /* "-L 2121:localhost:21" */
	char listen[FACT_MAX];	    /* where clients connect */
	char own_user[FACT_MAX];    /* that culvert runs as */
	bool own_is_system;	    /* ... which nobody is */
	char from[FACT_MAX];	    /* "the SSH server" or "this host" */
	char server[FACT_MAX];	    /* "localhost:21" */
	char server_host[FACT_MAX]; /* bracketed where it is IPv6 */
	char server_port[FACT_MAX];
	char machine[FACT_MAX];	     /* the host without brackets */
	char far_listen[FACT_MAX];   /* host where sshd is to listen */
	char permitlisten[FACT_MAX]; /* the same as sshd spells it */
	char clients[FACT_MAX];	     /* -R: "HOST:*" of each, for PermitOpen */
	char greeting[FACT_MAX];
	char feat[FACT_MAX];
	char ftp_user[FACT_MAX];
	char netrc[FACT_MAX];
	char verb[FACT_MAX];
	char reply[FACT_MAX];
	char why[FACT_MAX];
	char data_port[FACT_MAX];
	char bytes[FACT_MAX];	  /* of the listing */
	char announced[FACT_MAX]; /* address in the 227 */
	char rtt_ms[FACT_MAX];
	char count[FACT_MAX];
	char key_line[FACT_MAX]; /* options for authorized_keys */
	enum server_kind kind;
};

/* Makes it, cut where it does not fit; of our own words, or such that have been
 * escaped. */
void fact_set(char fact[FACT_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The words of somebody else, escaped. */
void fact_words(char fact[FACT_MAX], const void *bytes, size_t len);

/* The fact of that name of len letters, or NULL: there is none. */
const char *facts_find(const struct facts *facts, const char *name, size_t len);

/* A line that ssh has said, that ssh -v adds included. */
void facts_hear(struct facts *facts, const char *line);

/* What sshd said of the key's options when it was taken: has it said anything,
 * and is that word among them? */
bool facts_key_known(const struct facts *facts);
bool facts_key_has(const struct facts *facts, const char *word);

/* Is that key exchange safe from a quantum computer? */
bool facts_kex_is_post_quantum(const struct facts *facts);

/* Is that cipher one that OpenSSH has given up? */
bool facts_cipher_is_old(const struct facts *facts);

/* Does sshd send small packets at once by itself?  OpenSSH does from 10.1 on,
 * and Debian's 10.0p1 from 7+deb13u3 on, which has that change too. */
bool facts_sshd_has_no_delay(const struct facts *facts);

#endif
