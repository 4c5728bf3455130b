/*
 * wan: a long path between two network namespaces.
 *
 * Each gets a TUN device; what goes out of the one comes out of the other,
 * unchanged and in order, half the round-trip time later.  The kernel hands
 * over super-packets of up to 64 KiB, not cut to the MTU yet (TSO), so that one
 * core is enough for 1 GB/s.  The segments carry what the MTU allows all the
 * same, since TCP has noted their size in the header.
 *
 * A direction is a link of a fixed rate and, behind it, the delay: a packet
 * leaves when the one before it has left and its own bytes are out, and
 * arrives the delay later.  All packets of a direction, waiting or on their
 * way, are in one ring of memory, oldest first.  When it is full the newest
 * packet is dropped (drop tail) and counted; the counts are printed at the
 * end, on SIGINT or SIGTERM.
 *
 * Addresses, MTU, queue length of the devices and their state are up to the
 * caller (path.py).  The devices go with this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC 1000000000LL
#define PACKET_MAX (65536 + sizeof(struct virtio_net_hdr))
#define ALIGNMENT 16
#define BATCH 64 /* packets of one direction before the other has its turn */

/* A packet in the ring; its bytes follow.  size 0: go on at the start. */
struct record {
	int64_t due; /* CLOCK_MONOTONIC, in ns */
	uint32_t size;
	uint32_t unused;
};

struct direction {
	const char *name;
	int from, to; /* TUN devices */
	char *ring;
	size_t capacity;
	size_t head, tail; /* oldest record; where the next one goes */
	size_t count;	   /* records between them */
	int64_t free_at;   /* the last packet has left the link */
	uint64_t packets, bytes, dropped, refused;
	size_t most; /* bytes in the ring at the worst moment */
};

struct path {
	int64_t delay, spin; /* ns */
	double ns_per_byte;
	struct direction way[2];
};

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

__attribute__((noreturn, format(printf, 1, 2))) static void
die(const char *format, ...)
{
	int error = errno;
	va_list args;

	fputs("wan: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (error != 0)
		fprintf(stderr, ": %s", strerror(error));
	fputc('\n', stderr);
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* Makes a TUN device in the namespace of that file; returns its descriptor. */
static int
open_tun(const char *netns, const char *device)
{
	struct ifreq request = { .ifr_flags =
				     IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int ns, fd;

	ns = open(netns, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		die("%s", netns);
	if (setns(ns, CLONE_NEWNET) != 0)
		die("cannot enter %s", netns);
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("/dev/net/tun");
	if (strlen(device) >= sizeof(request.ifr_name)) {
		errno = 0;
		die("%s: the name is too long", device);
	}
	memcpy(request.ifr_name, device, strlen(device) + 1);
	if (ioctl(fd, TUNSETIFF, &request) != 0)
		die("cannot make %s", device);
	if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
		die("%s takes no super-packets", device);
	return fd;
}

static size_t
record_length(size_t size)
{
	size_t length = sizeof(struct record) + size;

	return (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The record at that place; the ring is made of whole ALIGNMENTs. */
static struct record *
record_at(const struct direction *way, size_t place)
{
	return (struct record *)(void *)(way->ring + place);
}

/*
 * Finds room for the largest packet, or returns NULL.  Room is never taken up
 * to the head, so head == tail is the empty ring only.
 */
static struct record *
room(struct direction *way)
{
	size_t need = record_length(PACKET_MAX) + sizeof(struct record);

	if (way->count == 0)
		way->head = way->tail = 0; /* the part that is in the cache */
	if (way->tail < way->head)
		return way->head - way->tail > need ?
		    record_at(way, way->tail) :
		    NULL;
	if (way->capacity - way->tail >= need)
		return record_at(way, way->tail);
	if (way->head <= need)
		return NULL;
	record_at(way, way->tail)->size = 0;
	way->tail = 0;
	return record_at(way, 0);
}

static void
note_use(struct direction *way)
{
	size_t use = way->tail >= way->head ?
	    way->tail - way->head :
	    way->capacity - way->head + way->tail;

	if (use > way->most)
		way->most = use;
}

/* Puts a packet that was read at that time into the ring. */
static void
take(const struct path *path, struct direction *way, struct record *record,
    size_t size, int64_t now)
{
	size_t bytes = size - sizeof(struct virtio_net_hdr);

	if (way->free_at < now)
		way->free_at = now;
	way->free_at += (int64_t)((double)bytes * path->ns_per_byte);
	record->due = way->free_at + path->delay;
	record->size = (uint32_t)size;
	way->tail += record_length(size);
	way->count++;
	way->packets++;
	way->bytes += bytes;
	note_use(way);
}

/* Reads what its sender has sent. */
static void
receive(const struct path *path, struct direction *way)
{
	static char scrap[PACKET_MAX];

	for (int i = 0; i < BATCH; i++) {
		struct record *record = room(way);
		ssize_t size = read(way->from,
		    record != NULL ? (char *)(record + 1) : scrap, PACKET_MAX);

		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (size < 0)
			die("%s: cannot read", way->name);
		if ((size_t)size < sizeof(struct virtio_net_hdr))
			continue;
		if (record != NULL)
			take(path, way, record, (size_t)size, now_ns());
		else
			way->dropped++;
	}
}

/* The oldest packet; NULL if there is none. */
static struct record *
oldest(struct direction *way)
{
	struct record *record;

	if (way->count == 0)
		return NULL;
	record = record_at(way, way->head);
	if (record->size == 0) {
		way->head = 0;
		record = record_at(way, 0);
	}
	return record;
}

/* Hands over what is due. */
static void
deliver(struct direction *way)
{
	struct record *record;

	for (int i = 0; i < BATCH; i++) {
		record = oldest(way);
		if (record == NULL || record->due > now_ns())
			return;
		/* EIO: the device is down, so there is nobody to miss it. */
		if (write(way->to, record + 1, record->size) < 0 &&
		    errno != EIO)
			way->refused++;
		way->head += record_length(record->size);
		way->count--;
	}
}

/*
 * Sleeps until there is something to do.  A wake-up comes late by what the
 * kernel takes for it, so sleep ends a little early and the rest is spent
 * looking again.
 */
static void
pause_until_due(struct path *path)
{
	struct pollfd fds[2] = { { .fd = path->way[0].from, .events = POLLIN },
		{ .fd = path->way[1].from, .events = POLLIN } };
	struct timespec timeout = { 0 };
	int64_t due = INT64_MAX, left;
	sigset_t none;

	for (int i = 0; i < 2; i++) {
		struct record *record = oldest(&path->way[i]);

		if (record != NULL && record->due < due)
			due = record->due;
	}
	left = due - now_ns() - path->spin;
	if (left > 0) {
		timeout.tv_sec = left / NSEC_PER_SEC;
		timeout.tv_nsec = left % NSEC_PER_SEC;
	}
	sigemptyset(&none);
	ppoll(fds, 2, due != INT64_MAX ? &timeout : NULL, &none);
}

/* Signals are taken in pause_until_due() only, so none comes in between. */
static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void
run(struct path *path)
{
	while (!stopped) {
		for (int i = 0; i < 2; i++) {
			deliver(&path->way[i]);
			receive(path, &path->way[i]);
		}
		pause_until_due(path);
	}
}

static double
number(const char *option, const char *text, double least)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || !(value >= least) || errno != 0) {
		errno = 0;
		die("%s %s: not a number that can be", option, text);
	}
	return value;
}

static void
usage(void)
{
	fputs("usage: wan [--device NAME] [--rtt MS] [--rate BYTES_PER_S]\n"
	      "           [--queue BYTES] [--spin US] NETNS NETNS\n"
	      "NETNS is a file, as /run/netns/NAME.  rate 0: no limit.\n"
	      "queue: room for each direction's packets, also those on their "
	      "way.\n",
	    stderr);
	exit(2);
}

static void
make_ring(struct direction *way, const char *name, size_t capacity)
{
	way->name = name;
	way->capacity = capacity / ALIGNMENT * ALIGNMENT;
	/* Only what was in use once is taken from the machine. */
	way->ring = mmap(NULL, way->capacity, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (way->ring == MAP_FAILED)
		die("no memory for the queue");
}

static void
report(const struct direction *way)
{
	printf("wan: %s %llu packets, %llu bytes, %llu dropped, %llu refused,"
	       " at most %zu bytes queued\n",
	    way->name, (unsigned long long)way->packets,
	    (unsigned long long)way->bytes, (unsigned long long)way->dropped,
	    (unsigned long long)way->refused, way->most);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "rtt", required_argument, NULL, 't' },
		{ "rate", required_argument, NULL, 'r' },
		{ "queue", required_argument, NULL, 'q' },
		{ "spin", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	struct path path = { .spin = 30000 };
	const char *device = "wan";
	double queue = 512 << 20, rate = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			device = optarg;
			break;
		case 't':
			path.delay =
			    (int64_t)(number("--rtt", optarg, 0) * 1e6 / 2);
			break;
		case 'r':
			rate = number("--rate", optarg, 0);
			break;
		case 'q':
			queue = number("--queue", optarg, 4 * PACKET_MAX);
			break;
		case 's':
			path.spin =
			    (int64_t)(number("--spin", optarg, 0) * 1e3);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2)
		usage();
	path.ns_per_byte = rate > 0 ? 1e9 / rate : 0;
	make_ring(&path.way[0], "there", (size_t)queue);
	make_ring(&path.way[1], "back", (size_t)queue);
	path.way[0].from = path.way[1].to = open_tun(argv[optind], device);
	path.way[0].to = path.way[1].from = open_tun(argv[optind + 1], device);
	catch_signals();
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	puts("wan: ready");
	fflush(stdout);
	run(&path);
	report(&path.way[0]);
	report(&path.way[1]);
	return 0;
}
