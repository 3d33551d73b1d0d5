/*
 * User networking: a private network behind the host's sockets, by libslirp. The guest gets an
 * address by DHCP, reaches the outside through the host without any privilege, and is reached through
 * forwarded ports only. The host's loopback is at the gateway's address.
 *
 * libslirp may send a frame from inside the call that gave it one. Frames for the guest are therefore
 * queued and delivered from the main loop, never from inside the guest device's own call.
 */
#include "options.h"

#include <patchbay/object.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <stdlib.h>
#include <sys/stat.h>

#define QUEUE_MAX    256 /* frames; more are dropped, and TCP sends them again */
#define HOSTNAME_MAX 32
#define BOOTFILE_MAX 127

typedef struct frame {
    struct frame *next;
    uint32_t length;
    uint8_t bytes[];
} frame;

/* A timer of libslirp: our main loop's delayed call. */
typedef struct slirp_timer {
    struct slirp_net *net;
    SlirpTimerCb expired;
    void *opaque;
    uint64_t call;
} slirp_timer;

typedef struct slirp_net {
    pb_object *self;
    const char *network, *hostfwd, *hostname, *tftp, *bootfile;
    bool restricted;
    const pb_main_loop_ops *loop;
    const pb_link *client;
    Slirp *slirp;
    frame *first, **last;
    uint32_t queued;
    uint64_t flush; /* the call that delivers them, 0: none waits */
} slirp_net;

/* ---- frames for the guest ------------------------------------------------------------------------------ */

static void flush_queue(void *opaque)
{
    slirp_net *s = opaque;
    const pb_net_iface *iface = s->client ? s->client->iface : NULL;

    s->flush = 0;
    while (s->first) {
        frame *f = s->first;

        if (iface && !iface->send(s->client->self, s->client->index, f->bytes, f->length))
            return; /* until the client calls ready */
        s->first = f->next;
        if (!s->first)
            s->last = &s->first;
        s->queued--;
        free(f);
    }
}

static void schedule_flush(slirp_net *s)
{
    if (!s->flush)
        s->flush = s->loop->call_after(s->self, 0, flush_queue, s);
}

static ssize_t send_packet(const void *bytes, size_t length, void *opaque)
{
    slirp_net *s = opaque;
    frame *f;

    if (s->queued == QUEUE_MAX || length > PB_NET_FRAME_MAX)
        return (ssize_t)length;
    f = malloc(sizeof(*f) + length);
    if (!f)
        return (ssize_t)length;
    f->next = NULL;
    f->length = (uint32_t)length;
    memcpy(f->bytes, bytes, length);
    *s->last = f;
    s->last = &f->next;
    s->queued++;
    schedule_flush(s);
    return (ssize_t)length;
}

/* ---- libslirp's other needs ------------------------------------------------------------------------------- */

static void guest_error(const char *message, void *opaque)
{
    pb_log_guest(((slirp_net *)opaque)->self, "%s", message);
}

static int64_t clock_get_ns(void *opaque)
{
    return (int64_t)((slirp_net *)opaque)->loop->host_now_ns();
}

static void *timer_new(SlirpTimerCb expired, void *cb_opaque, void *opaque)
{
    slirp_timer *t = calloc(1, sizeof(*t));

    if (t)
        *t = (slirp_timer){ opaque, expired, cb_opaque, 0 };
    return t;
}

static void timer_cancel(slirp_timer *t)
{
    if (t->call)
        t->net->loop->cancel(t->net->self, t->call);
    t->call = 0;
}

static void timer_free(void *timer, void *opaque)
{
    if (timer)
        timer_cancel(timer);
    free(timer);
}

static void timer_expired(void *opaque)
{
    slirp_timer *t = opaque;

    t->call = 0;
    t->expired(t->opaque);
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    slirp_net *s = opaque;
    int64_t now_ms = clock_get_ns(s) / 1000000;
    slirp_timer *t = timer;

    if (!t)
        return;
    timer_cancel(t);
    t->call = s->loop->call_after(s->self, expire_ms > now_ms ? (uint32_t)(expire_ms - now_ms) : 0,
                                  timer_expired, t);
}

/* Every descriptor is found again by fill before each sleep. */
static void register_poll_fd(int fd, void *opaque) {}
static void unregister_poll_fd(int fd, void *opaque) {}

/* Waking the main loop is enough: it polls our descriptors anew. */
static void notify(void *opaque)
{
    schedule_flush(opaque);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = register_poll_fd,
    .unregister_poll_fd = unregister_poll_fd,
    .notify = notify,
};

/* ---- descriptors --------------------------------------------------------------------------------------------- */

typedef struct filling {
    pb_poll_set *set;
    int (*add)(pb_poll_set *set, int fd, uint32_t events);
} filling;

static int add_poll(int fd, int events, void *opaque)
{
    filling *f = opaque;

    return f->add(f->set, fd,
                  (events & SLIRP_POLL_IN ? PB_FD_IN : 0) |
                      (events & SLIRP_POLL_OUT ? PB_FD_OUT : 0));
}

static void fill(void *opaque, pb_poll_set *set, int (*add)(pb_poll_set *, int, uint32_t),
                 uint32_t *timeout_ms)
{
    filling f = { set, add };

    slirp_pollfds_fill(((slirp_net *)opaque)->slirp, timeout_ms, add_poll, &f);
}

typedef struct polling {
    pb_poll_set *set;
    uint32_t (*ready)(pb_poll_set *set, int slot);
} polling;

static int get_revents(int slot, void *opaque)
{
    polling *p = opaque;
    uint32_t events = p->ready(p->set, slot);

    return (events & PB_FD_IN ? SLIRP_POLL_IN : 0) | (events & PB_FD_OUT ? SLIRP_POLL_OUT : 0) |
           (events & PB_FD_HUP ? SLIRP_POLL_HUP : 0) | (events & PB_FD_ERR ? SLIRP_POLL_ERR : 0);
}

static void polled(void *opaque, pb_poll_set *set, uint32_t (*ready)(pb_poll_set *, int))
{
    polling p = { set, ready };

    slirp_pollfds_poll(((slirp_net *)opaque)->slirp, 0, get_revents, &p);
}

static const pb_poller poller = { sizeof(pb_poller), fill, polled };

/* ---- the port --------------------------------------------------------------------------------------------------- */

static bool net_send(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    slirp_input(((slirp_net *)self)->slirp, bytes, (int)length);
    return true;
}

static void net_ready(void *self, uint32_t index)
{
    schedule_flush(self);
}

static void net_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((slirp_net *)self)->client = peer;
}

/* ---- configuration ------------------------------------------------------------------------------------------------ */

static bool add_forward(slirp_net *s, const char *rule, const network_addresses *n, pb_error *error)
{
    char host[INET_ADDRSTRLEN];
    forward f;

    if (!forward_parse(rule, n, &f, error))
        return false;
    return slirp_add_hostfwd(s->slirp, f.udp, f.host, f.host_port, f.guest, f.guest_port) == 0 ||
           pb_fail(error, "hostfwd '%s': cannot listen at %s:%u: %s", rule,
                   inet_ntop(AF_INET, &f.host, host, sizeof(host)), f.host_port, strerror(errno));
}

static bool add_forwards(slirp_net *s, const network_addresses *n, pb_error *error)
{
    char *rules = strdup(s->hostfwd), *place = NULL;
    bool ok = rules || pb_fail(error, "out of memory");

    for (char *rule = rules ? strtok_r(rules, " ", &place) : NULL; rule && ok;
         rule = strtok_r(NULL, " ", &place))
        ok = add_forward(s, rule, n, error);
    free(rules);
    return ok;
}

/* What DHCP has room for (libslirp cuts the rest off), and a folder that is one. */
static bool check_texts(const slirp_net *s, pb_error *error)
{
    struct stat st;

    if (strlen(s->hostname) > HOSTNAME_MAX)
        return pb_fail(error, "hostname '%s' has %zu characters: %d are possible", s->hostname,
                       strlen(s->hostname), HOSTNAME_MAX);
    if (strlen(s->bootfile) > BOOTFILE_MAX)
        return pb_fail(error, "bootfile '%s' has %zu characters: %d are possible", s->bootfile,
                       strlen(s->bootfile), BOOTFILE_MAX);
    if (s->tftp && stat(s->tftp, &st) < 0)
        return pb_fail(error, "cannot open tftp folder %s: %s", s->tftp, strerror(errno));
    return !s->tftp || S_ISDIR(st.st_mode) ||
           pb_fail(error, "cannot open tftp folder %s: %s", s->tftp, strerror(ENOTDIR));
}

static void slirp_net_finish(void *self)
{
    slirp_net *s = self;

    if (PB_HAS(s->loop, remove_poller))
        s->loop->remove_poller(s->self, s);
    if (s->flush)
        s->loop->cancel(s->self, s->flush);
    if (s->slirp)
        slirp_cleanup(s->slirp);
    while (s->first) {
        frame *f = s->first;

        s->first = f->next;
        free(f);
    }
}

static bool slirp_net_init(void *self, pb_error *error)
{
    slirp_net *s = self;
    SlirpConfig config = { .version = 1, .in_enabled = true, .restricted = s->restricted };
    network_addresses n;

    s->last = &s->first;
    s->loop = pb_extension(s->self, PB_EXTENSION_MAIN_LOOP);
    if (!s->loop)
        return pb_fail(error, "the host offers no %s", PB_EXTENSION_MAIN_LOOP);
    if (!network_parse(s->network, &n, error) || !check_texts(s, error))
        return false;
    config.vnetwork = n.network;
    config.vnetmask = n.mask;
    config.vhost = n.host;
    config.vnameserver = n.name_server;
    config.vdhcp_start = n.guest;
    config.vhostname = *s->hostname ? s->hostname : NULL;
    config.tftp_path = s->tftp;
    config.bootfile = *s->bootfile ? s->bootfile : NULL;
    s->slirp = slirp_new(&config, &callbacks, s);
    if (!s->slirp)
        return pb_fail(error, "libslirp %s refused the configuration", slirp_version_string());
    if (!add_forwards(s, &n, error)) {
        slirp_net_finish(s);
        return false;
    }
    s->loop->add_poller(s->self, &poller, s);
    return true;
}

static const pb_net_iface net_iface = { sizeof(pb_net_iface), net_send, net_ready };

static const pb_prop slirp_props[] = {
    { "network", PB_PROP_STRING, PB_MEMBER(slirp_net, network), "10.0.2.0/24",
      .doc = "Address and 8 to 27 bits: .2 is the gateway and host, .3 the name server, .15 the "
             "first guest" },
    { "hostfwd", PB_PROP_STRING, PB_MEMBER(slirp_net, hostfwd), "",
      .doc = "Forwarded ports, separated by spaces: tcp:127.0.0.1:2222-:22" },
    { "restrict", PB_PROP_BOOL, PB_MEMBER(slirp_net, restricted), "false",
      .doc = "The guest reaches nothing outside; forwarded ports work" },
    { "hostname", PB_PROP_STRING, PB_MEMBER(slirp_net, hostname), "", .doc = "Name given by DHCP" },
    { "tftp", PB_PROP_PATH, PB_MEMBER(slirp_net, tftp), "",
      .doc = "Folder that a TFTP server at the gateway shows" },
    { "bootfile", PB_PROP_STRING, PB_MEMBER(slirp_net, bootfile), "",
      .doc = "Boot file named by DHCP" },
    { 0 },
};

static const pb_port slirp_ports[] = {
    { "port", PB_PROTOCOL_NET, PB_PROVIDES, .iface = &net_iface, .connected = net_connected,
      .doc = "The network" },
    { 0 },
};

static const pb_state slirp_state[] = {
    PB_TRANSIENT(slirp_net, loop, "host services"),
    PB_TRANSIENT(slirp_net, client, "wiring"),
    PB_TRANSIENT(slirp_net, slirp, "host sockets cannot be saved; connections end with a load"),
    PB_TRANSIENT(slirp_net, first, "frames on their way may be lost, as on any network"),
    PB_TRANSIENT(slirp_net, last, "frames on their way may be lost, as on any network"),
    PB_TRANSIENT(slirp_net, queued, "frames on their way may be lost, as on any network"),
    PB_TRANSIENT(slirp_net, flush, "host event"),
    { 0 },
};

static const pb_class slirp_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "slirp",
    .doc = "User networking by libslirp",
    .instance_size = sizeof(slirp_net),
    PB_SELF(slirp_net, self),
    .props = slirp_props,
    .ports = slirp_ports,
    .state = slirp_state,
    .init = slirp_net_init,
    .finish = slirp_net_finish,
};

static const pb_class *const types[] = { &slirp_class, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "host-slirp",
    .version = "0.1",
    .licence = "MIT",
    .doc = "User networking by libslirp",
    .types = types,
};
