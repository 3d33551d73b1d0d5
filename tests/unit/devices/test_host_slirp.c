/*
 * User networks (plugins/host-slirp): the test is the guest, which sends and receives frames, and whatever is on the
 * host's loopback. Nothing else of a network is used.
 */
#include "loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <patchbay/object.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ETHERNET = 14, IP = 20, UDP = 8, TCP = 20, ICMP = 8, ARP = 28 };
enum { TYPE_IP = 0x0800, TYPE_ARP = 0x0806 };
enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

typedef struct frame {
    uint32_t length;
    uint8_t bytes[2048];
} frame;

typedef struct fixture {
    board b;
    loop *loop;
    pb_link port;
    GQueue *frames; /* received, not looked at yet */
    frame *found;
    uint32_t guest, gateway;
    uint8_t gateway_mac[6];
    bool full; /* the guest takes no frames */
    uint32_t refused;
    /* The other end on the host. */
    int listener, peer;
    char text[64];
    uint32_t text_length;
    bool end;
} fixture;

static fixture x;

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static uint32_t sum16(uint32_t sum, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static uint32_t folded(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static bool send_frame(const uint8_t *bytes, uint32_t length)
{
    return ((const pb_net_iface *)x.port.iface)->send(x.port.self, 0, bytes, length);
}

static void ethernet(uint8_t *f, const uint8_t to[6], uint32_t type)
{
    memcpy(f, to, 6);
    memcpy(f + 6, guest_mac, 6);
    put16(f + 12, type);
}

/* An IP packet from the guest; `payload` begins with the header of the protocol, which has its checksum at `check_at`
 * (0: none). */
static void send_ip(uint32_t from, uint32_t to, uint8_t protocol, const uint8_t *payload,
                    uint32_t length, uint32_t check_at)
{
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t f[1600] = { 0 }, *ip = f + ETHERNET, pseudo[12] = { 0 };

    ethernet(f, to == UINT32_MAX ? all : x.gateway_mac, TYPE_IP);
    ip[0] = 0x45;
    put16(ip + 2, IP + length);
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, folded(sum16(0, ip, IP)));
    memcpy(ip + IP, payload, length);
    put32(pseudo, from);
    put32(pseudo + 4, to);
    pseudo[9] = protocol;
    put16(pseudo + 10, length);
    if (check_at)
        put16(ip + IP + check_at,
              folded(sum16(protocol == IPPROTO_ICMP ? 0 : sum16(0, pseudo, sizeof(pseudo)), ip + IP,
                           length)));
    send_frame(f, ETHERNET + IP + length);
}

static void send_udp(uint32_t from, uint32_t to, uint32_t from_port, uint32_t to_port,
                     const void *bytes, uint32_t length)
{
    uint8_t payload[1500];

    put16(payload, from_port);
    put16(payload + 2, to_port);
    put16(payload + 4, UDP + length);
    put16(payload + 6, 0);
    memcpy(payload + UDP, bytes, length);
    send_ip(from, to, IPPROTO_UDP, payload, UDP + length, 6);
}

static void send_tcp(uint32_t from_port, uint32_t to_port, uint32_t seq, uint32_t ack,
                     uint8_t flags, const char *text)
{
    uint8_t payload[200] = { 0 };

    put16(payload, from_port);
    put16(payload + 2, to_port);
    put32(payload + 4, seq);
    put32(payload + 8, ack);
    payload[12] = TCP / 4 << 4;
    payload[13] = flags;
    put16(payload + 14, 8192);
    memcpy(payload + TCP, text, strlen(text));
    send_ip(x.guest, x.gateway, IPPROTO_TCP, payload, TCP + (uint32_t)strlen(text), 16);
}

static void send_echo(uint32_t to, uint32_t number)
{
    uint8_t payload[ICMP + 16] = { 8 };

    put16(payload + 6, number);
    memcpy(payload + ICMP, "sixteen bytes...", 16);
    send_ip(x.guest, to, IPPROTO_ICMP, payload, sizeof(payload), 2);
}

static void send_arp(uint32_t operation, uint32_t target, const uint8_t *target_mac)
{
    static const uint8_t start[] = { 0, 1, 8, 0, 6, 4 };
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t f[ETHERNET + ARP] = { 0 }, *arp = f + ETHERNET;

    ethernet(f, target_mac ? target_mac : all, TYPE_ARP);
    memcpy(arp, start, sizeof(start));
    put16(arp + 6, operation);
    memcpy(arp + 8, guest_mac, 6);
    put32(arp + 14, x.guest);
    if (target_mac)
        memcpy(arp + 18, target_mac, 6);
    put32(arp + 24, target);
    send_frame(f, sizeof(f));
}

/* ---- the guest -------------------------------------------------------------------------------------------------- */

/* Answers who asks for it from inside the call, as a device may. */
static void answer_arp(const uint8_t *f)
{
    const uint8_t *arp = f + ETHERNET;

    if (get16(f + 12) == TYPE_ARP && get16(arp + 6) == 1 && get32(arp + 24) == x.guest)
        send_arp(2, get32(arp + 14), arp + 8);
}

static bool guest_send(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    frame *f;

    if (x.full) {
        x.refused++;
        return false;
    }
    f = g_new0(frame, 1);
    CU_ASSERT_FATAL(length <= sizeof(f->bytes));
    f->length = length;
    memcpy(f->bytes, bytes, length);
    g_queue_push_tail(x.frames, f);
    answer_arp(bytes);
    return true;
}

static const pb_net_iface guest_iface = { sizeof(guest_iface), guest_send, NULL };

/* `properties` as for board_new(). */
static pb_instance *add_network(const char *const *properties)
{
    g_autoptr(GError) error = NULL;
    const pb_class *class;

    memset(&x, 0, sizeof(x));
    x.listener = x.peer = -1;
    x.guest = 0x0a00020f;
    x.gateway = 0x0a000202;
    memcpy(x.gateway_mac, (const uint8_t[]){ 0x52, 0x55, 10, 0, 2, 2 }, 6);
    x.frames = g_queue_new();
    pb_plugin_host_preload(pb_preloaded_plugins);
    x.b.host = pb_plugin_host_new(NULL);
    x.b.machine = fake_machine_new(x.b.host);
    x.loop = loop_new(x.b.machine);
    class = pb_plugin_host_type(x.b.host, PB_KIND_BACKEND, "slirp", &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(class);
    x.b.device = fake_machine_add(x.b.machine, class, "net");
    for (; properties && *properties; properties += 2)
        CU_ASSERT_FATAL(pb_instance_set(x.b.device, properties[0], properties[1], NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(x.b.device, NULL));
    return x.b.device;
}

static void setup(const char *const *properties)
{
    add_network(properties);
    x.port = board_attach(&x.b, "port", &guest_iface, &x);
    board_start(&x.b);
}

static void teardown(void)
{
    board_free(&x.b);
    loop_free(x.loop); /* the plugin cancelled its calls and took its poller away */
    g_queue_free_full(x.frames, g_free);
    g_free(x.found);
    if (x.listener >= 0)
        close(x.listener);
    if (x.peer >= 0)
        close(x.peer);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static bool is_arp_reply(const frame *f)
{
    return get16(f->bytes + 12) == TYPE_ARP && get16(f->bytes + ETHERNET + 6) == 2;
}

static bool is_protocol(const frame *f, uint8_t protocol)
{
    const uint8_t *ip = f->bytes + ETHERNET;

    return get16(f->bytes + 12) == TYPE_IP && ip[0] == 0x45 && ip[9] == protocol &&
           folded(sum16(0, ip, IP)) == 0 && f->length >= ETHERNET + get16(ip + 2);
}

static bool is_icmp(const frame *f)
{
    return is_protocol(f, IPPROTO_ICMP);
}

static bool is_udp(const frame *f)
{
    return is_protocol(f, IPPROTO_UDP);
}

static bool is_tcp(const frame *f)
{
    return is_protocol(f, IPPROTO_TCP);
}

typedef bool (*frame_test)(const frame *f);

static bool find_frame(void *opaque)
{
    frame_test is_it = *(const frame_test *)opaque;
    frame *f;

    while ((f = g_queue_pop_head(x.frames))) {
        if (is_it(f)) {
            g_free(x.found);
            x.found = f;
            return true;
        }
        g_free(f);
    }
    return false;
}

/* The payload of IP, or the bytes behind the Ethernet header, of the next frame of the kind. */
static const uint8_t *next_frame(frame_test is_it)
{
    CU_ASSERT_FATAL(loop_until(x.loop, find_frame, &is_it));
    return x.found->bytes + ETHERNET + (is_it == is_arp_reply ? 0 : IP);
}

static uint32_t ip_payload_bytes(void)
{
    return get16(x.found->bytes + ETHERNET + 2) - IP;
}

static bool peer_came(void *opaque)
{
    if (x.peer < 0)
        x.peer = accept4(x.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return x.peer >= 0;
}

static bool peer_has_text(void *opaque)
{
    ssize_t n = read(x.peer, x.text + x.text_length, sizeof(x.text) - 1 - x.text_length);

    if (n > 0)
        x.text_length += (uint32_t)n;
    x.end = n == 0;
    return strcmp(x.text, opaque) == 0;
}

static bool peer_ended(void *opaque)
{
    peer_has_text("");
    return x.end;
}

static struct sockaddr_in loopback(uint32_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int bound_socket(int type, uint32_t *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* A port that nobody uses just now. */
static uint32_t free_port(int type)
{
    uint32_t port;

    close(bound_socket(type, &port));
    return port;
}

/* ---- ARP, DHCP, ping, TFTP --------------------------------------------------------------------------------------- */

static void arp(void)
{
    const uint8_t *reply;

    setup(NULL);
    send_arp(1, x.gateway, NULL);
    reply = next_frame(is_arp_reply);
    CU_ASSERT_EQUAL(get32(reply + 14), x.gateway);
    CU_ASSERT_EQUAL(memcmp(reply + 8, x.gateway_mac, 6), 0);
    CU_ASSERT_EQUAL(memcmp(reply + 18, guest_mac, 6), 0);
    teardown();
}

/* Option of a DHCP message, null if it is not there. */
static const uint8_t *option(const uint8_t *dhcp, uint32_t length, uint8_t code)
{
    for (uint32_t at = 240; at + 2 < length && dhcp[at] != 255;) {
        if (dhcp[at] == 0) {
            at++;
            continue;
        }
        if (dhcp[at] == code && at + 2 + dhcp[at + 1] <= length)
            return dhcp + at + 1;
        at += 2 + dhcp[at + 1];
    }
    return NULL;
}

static void send_dhcp(uint8_t kind)
{
    uint8_t m[300] = { 1, 1, 6 };

    put32(m + 4, 0x1234);
    memcpy(m + 28, guest_mac, 6);
    put32(m + 236, 0x63825363);
    memcpy(m + 240, (const uint8_t[]){ 53, 1, kind, 50, 4, 0, 0, 0, 0, 255 }, 10);
    put32(m + 245, x.guest);
    send_udp(0, UINT32_MAX, 68, 67, m, sizeof(m));
}

static const uint8_t *dhcp_reply(uint8_t kind, uint32_t *length)
{
    const uint8_t *udp = next_frame(is_udp), *m = udp + UDP, *type;

    CU_ASSERT_EQUAL(get16(udp), 67);
    CU_ASSERT_EQUAL(get16(udp + 2), 68);
    *length = ip_payload_bytes() - UDP;
    CU_ASSERT_FATAL(*length >= 240);
    CU_ASSERT_EQUAL(m[0], 2);
    CU_ASSERT_EQUAL(get32(m + 4), 0x1234);
    CU_ASSERT_EQUAL(get32(m + 16), x.guest);
    type = option(m, *length, 53);
    CU_ASSERT_PTR_NOT_NULL_FATAL(type);
    CU_ASSERT_EQUAL(type[1], kind);
    return m;
}

static void dhcp(void)
{
    static const char *const properties[] = { "network",  "192.168.7.32/27", "hostname", "blue",
                                              "bootfile", "boot.img",        NULL };
    const uint8_t *m;
    uint32_t length;

    setup(properties);
    x.guest = 0xc0a8072f; /* the smallest network that is possible */
    send_dhcp(1);
    m = dhcp_reply(2, &length);
    CU_ASSERT_EQUAL(get32(option(m, length, 54) + 1), 0xc0a80722);
    CU_ASSERT_EQUAL(get32(option(m, length, 1) + 1), 0xffffffe0);
    CU_ASSERT_EQUAL(get32(option(m, length, 3) + 1), 0xc0a80722);
    CU_ASSERT_EQUAL(get32(option(m, length, 6) + 1), 0xc0a80723);
    CU_ASSERT_NSTRING_EQUAL(option(m, length, 12), "\4blue", 5);
    CU_ASSERT_STRING_EQUAL((const char *)m + 108, "boot.img");
    send_dhcp(3);
    dhcp_reply(5, &length);
    teardown();
}

static void ping(void)
{
    const uint8_t *reply;

    setup(NULL);
    send_echo(x.gateway, 77);
    reply = next_frame(is_icmp);
    CU_ASSERT_EQUAL(reply[0], 0);
    CU_ASSERT_EQUAL(get16(reply + 6), 77);
    CU_ASSERT_EQUAL(memcmp(reply + ICMP, "sixteen bytes...", 16), 0);
    teardown();
}

static void tftp(void)
{
    g_autofree char *folder = g_dir_make_tmp("patchbay-tftp-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "hello", NULL);
    const char *const properties[] = { "tftp", folder, NULL };
    const uint8_t *udp;

    CU_ASSERT_FATAL(g_file_set_contents(file, "a file", -1, NULL));
    setup(properties);
    send_udp(x.guest, x.gateway, 2000, 69, "\0\1hello\0octet", 14);
    udp = next_frame(is_udp);
    CU_ASSERT_EQUAL(ip_payload_bytes(), UDP + 4 + 6);
    CU_ASSERT_EQUAL(memcmp(udp + UDP, "\0\3\0\1a file", 10), 0);
    send_udp(x.guest, x.gateway, 2000, 69, "\0\1../hello\0octet", 17);
    udp = next_frame(is_udp);
    CU_ASSERT_EQUAL(get16(udp + UDP), 5); /* an error */
    teardown();
    g_remove(file);
    g_rmdir(folder);
}

/* ---- TCP and UDP --------------------------------------------------------------------------------------------------- */

/* The next segment with text or one of the flags; its text is acknowledged. */
static const uint8_t *next_segment(uint32_t flags, uint32_t *ack)
{
    for (;;) {
        const uint8_t *tcp = next_frame(is_tcp);
        uint32_t text = ip_payload_bytes() - (tcp[12] >> 4) * 4u;

        if (!text && !(tcp[13] & flags))
            continue;
        *ack = get32(tcp + 4) + text + (tcp[13] & (SYN | FIN) ? 1 : 0);
        return tcp;
    }
}

static const char *text_of(const uint8_t *tcp)
{
    uint32_t header = (tcp[12] >> 4) * 4u;

    g_strlcpy(x.text, "", sizeof(x.text));
    memcpy(x.text, tcp + header, MIN(ip_payload_bytes() - header, sizeof(x.text) - 1));
    x.text[MIN(ip_payload_bytes() - header, sizeof(x.text) - 1)] = 0;
    x.text_length = 0;
    return x.text;
}

/* A guest's connection to a server on the host. */
static void connections_out(void)
{
    uint32_t port, ack;
    char text[sizeof(x.text)];

    setup(NULL);
    x.listener = bound_socket(SOCK_STREAM, &port);
    CU_ASSERT_EQUAL(listen(x.listener, 1), 0);
    send_tcp(1000, port, 100, 0, SYN, "");
    CU_ASSERT_FATAL(loop_until(x.loop, peer_came, NULL));
    CU_ASSERT_EQUAL(next_segment(SYN, &ack)[13] & (SYN | ACK), SYN | ACK);
    send_tcp(1000, port, 101, ack, ACK | PSH, "hello");
    CU_ASSERT_FATAL(loop_until(x.loop, peer_has_text, "hello"));
    CU_ASSERT_EQUAL(write(x.peer, "world", 5), 5);
    g_strlcpy(text, text_of(next_segment(PSH, &ack)), sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "world");
    send_tcp(1000, port, 106, ack, ACK | FIN, "");
    CU_ASSERT(loop_until(x.loop, peer_ended, NULL));
    close(x.peer);
    x.peer = -1;
    CU_ASSERT(next_segment(FIN, &ack)[13] & FIN);
    teardown();
}

static void refused_connections(void)
{
    uint32_t port = free_port(SOCK_STREAM), ack;

    setup(NULL);
    send_tcp(1000, port, 100, 0, SYN, "");
    CU_ASSERT(next_segment(4, &ack)[13] & 4); /* RST */
    teardown();
}

/* A connection of the host to a forwarded port. */
static void connections_in(void)
{
    uint32_t port = free_port(SOCK_STREAM), ack, guest_sees;
    g_autofree char *rule = g_strdup_printf("tcp::%u-:80", port);
    const char *const properties[] = { "hostfwd", rule, NULL };
    struct sockaddr_in address = loopback(port);
    const uint8_t *tcp;

    setup(properties);
    x.peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(connect(x.peer, (struct sockaddr *)&address, sizeof(address)), 0);
    CU_ASSERT_EQUAL(fcntl(x.peer, F_SETFL, O_NONBLOCK), 0);
    tcp = next_segment(SYN, &ack);
    CU_ASSERT_EQUAL(get16(tcp + 2), 80);
    guest_sees = get16(tcp);
    send_tcp(80, guest_sees, 5000, ack, SYN | ACK, "");
    CU_ASSERT_EQUAL(write(x.peer, "ping", 4), 4);
    CU_ASSERT_STRING_EQUAL(text_of(next_segment(PSH, &ack)), "ping");
    memset(x.text, 0, sizeof(x.text));
    send_tcp(80, guest_sees, 5001, ack, ACK | PSH, "pong");
    CU_ASSERT(loop_until(x.loop, peer_has_text, "pong"));
    teardown();
}

static void datagrams_in(void)
{
    uint32_t port = free_port(SOCK_DGRAM), unused;
    g_autofree char *rules = g_strdup_printf("udp:127.0.0.1:%u-10.0.2.20:53", port);
    const char *const properties[] = { "hostfwd", rules, NULL };
    struct sockaddr_in address = loopback(port);
    const uint8_t *udp;

    setup(properties);
    x.guest = 0x0a000214;
    x.peer = bound_socket(SOCK_DGRAM, &unused);
    CU_ASSERT_EQUAL(sendto(x.peer, "ping", 4, 0, (struct sockaddr *)&address, sizeof(address)), 4);
    udp = next_frame(is_udp);
    CU_ASSERT_EQUAL(get16(udp + 2), 53);
    CU_ASSERT_EQUAL(get32(x.found->bytes + ETHERNET + 16), x.guest);
    CU_ASSERT_EQUAL(memcmp(udp + UDP, "ping", 4), 0);
    send_udp(x.guest, x.gateway, 53, get16(udp), "pong", 4);
    CU_ASSERT(loop_until(x.loop, peer_has_text, "pong"));
    teardown();
}

/* ---- frames that wait ------------------------------------------------------------------------------------------------ */

static void ready(void)
{
    ((const pb_net_iface *)x.port.iface)->ready(x.port.self, 0);
}

static void a_guest_that_is_full(void)
{
    setup(NULL);
    send_echo(x.gateway, 0);
    next_frame(is_icmp); /* the gateway knows us now */
    x.full = true;
    for (uint32_t i = 1; i <= 300; i++)
        send_echo(x.gateway, i);
    loop_turn(x.loop, 0);
    loop_turn(x.loop, 0);
    CU_ASSERT_EQUAL(x.refused, 1); /* not asked again before it is ready */
    x.full = false;
    ready();
    for (uint32_t i = 1; i <= 256; i++)
        CU_ASSERT_EQUAL_FATAL(get16(next_frame(is_icmp) + 6), i);
    send_echo(x.gateway, 301);
    CU_ASSERT_EQUAL(get16(next_frame(is_icmp) + 6), 301); /* the rest was dropped */
    teardown();
}

/* Frames, a call to deliver them, and connections that are open: all goes with the network. */
static void an_end_in_the_middle(void)
{
    uint32_t port, ack;

    setup(NULL);
    x.listener = bound_socket(SOCK_STREAM, &port);
    CU_ASSERT_EQUAL(listen(x.listener, 1), 0);
    send_tcp(1000, port, 100, 0, SYN, "");
    CU_ASSERT_FATAL(loop_until(x.loop, peer_came, NULL));
    next_segment(SYN, &ack);
    send_echo(x.gateway, 1);
    CU_ASSERT(loop_calls(x.loop) > 0);
    CU_ASSERT_EQUAL(loop_pollers(x.loop), 1);
    teardown();
}

static void frames_that_are_none(void)
{
    static uint8_t noise[PB_NET_FRAME_MAX];
    uint32_t random = 1;

    setup(NULL);
    for (uint32_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)((random = random * 1103515245 + 12345) >> 16);
    send_frame(noise, 0);
    send_frame(noise, 13);
    for (uint32_t type = 0; type < 3; type++) {
        static const uint32_t types[] = { TYPE_IP, TYPE_ARP, 0x86dd };

        put16(noise + 12, types[type]);
        for (uint32_t length = 14; length < 120; length++)
            send_frame(noise, length);
        noise[14] = 0x45;
        send_frame(noise, 1514);
        send_frame(noise, sizeof(noise));
    }
    send_echo(x.gateway, 5);
    CU_ASSERT_EQUAL(get16(next_frame(is_icmp) + 6), 5);
    teardown();
}

/* ---- configuration ------------------------------------------------------------------------------------------------ */

static void refused_property(const char *name, const char *value, const char *expected)
{
    const char *const properties[] = { name, value, NULL };
    g_autoptr(GError) error = NULL;

    add_network(properties);
    CU_ASSERT_FALSE(fake_machine_start(x.b.machine, false, &error));
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    if (!g_str_has_suffix(error->message, expected))
        printf("\n'%s' instead of '%s'\n", error->message, expected);
    CU_ASSERT(g_str_has_suffix(error->message, expected));
    teardown();
}

static void wrong_networks(void)
{
    static const char form[] = "is not ADDRESS/BITS, such as 10.0.2.0/24";
    static const char size[] =
        "/8 to /27 are possible, as the host is number 2, the name server 3, "
        "and 16 guests begin at 15";
    static const char *const wrong[][2] = {
        { "", form },
        { "10.0.2.0", form },
        { "10.0.2/24", form },
        { "10.0.2.0/", form },
        { "10.0.2.0/24x", form },
        { "10.0.2.0/-1", form },
        { "10.0.2.0/33", form },
        { "10.0.2.256/24", form },
        { "1111.2222.3333.4444/24", form },
        { "fec0::/64", form },
        { "10.0.2.0/28", size },
        { "10.0.2.0/32", size },
        { "10.0.0.0/7", size },
        { "10.0.2.0/0", size },
        { "10.0.2.1/24", "network '10.0.2.1/24' has bits set behind its 24: the network is "
                         "10.0.2.0/24" },
        { "10.0.2.16/27", "the network is 10.0.2.0/27" },
        { "127.0.0.0/8", "network '127.0.0.0/8' is reserved: choose a private one, such as "
                         "10.0.2.0/24" },
        { "0.0.0.0/8", "is reserved: choose a private one, such as 10.0.2.0/24" },
        { "224.0.0.0/24", "is reserved: choose a private one, such as 10.0.2.0/24" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        refused_property("network", wrong[i][0], wrong[i][1]);
}

static void wrong_forwards(void)
{
    static const char form[] = "is not PROTOCOL:[HOST]:PORT-[GUEST]:PORT, such as "
                               "tcp:127.0.0.1:2222-:22";
    static const char *const wrong[][2] = {
        { "tcp", form },
        { "tcp:", form },
        { "tcp::80", form },
        { "tcp:80-22", form },
        { "tcp::80-22", form },
        { "sctp::80-:22", "hostfwd 'sctp::80-:22': 'sctp' is not a protocol: expected tcp or udp" },
        { "TCP::80-:22", "'TCP' is not a protocol: expected tcp or udp" },
        { "::80-:22", "'' is not a protocol: expected tcp or udp" },
        { "tcp:localhost:80-:22",
          "hostfwd 'tcp:localhost:80-:22': 'localhost' is not an IPv4 address" },
        { "tcp:1.2.3:80-:22", "'1.2.3' is not an IPv4 address" },
        { "tcp:1.2.3.4.5.6.7.8.9:80-:22", "'1.2.3.4.5.6.7.8.9' is not an IPv4 address" },
        { "tcp::-:22", "hostfwd 'tcp::-:22': '' is not a port: expected 1 to 65535" },
        { "tcp::0-:22", "'0' is not a port: expected 1 to 65535" },
        { "tcp::65536-:22", "'65536' is not a port: expected 1 to 65535" },
        { "tcp::99999999999-:22", "'99999999999' is not a port: expected 1 to 65535" },
        { "tcp::http-:22", "'http' is not a port: expected 1 to 65535" },
        { "tcp::+1-:22", "'+1' is not a port: expected 1 to 65535" },
        { "tcp::2222-:", "'' is not a port: expected 1 to 65535" },
        { "tcp::2222-:22,", "'22,' is not a port: expected 1 to 65535" },
        { "tcp::2222-guest:22", "'guest' is not an IPv4 address" },
        { "tcp::2222-10.0.3.15:22",
          "hostfwd 'tcp::2222-10.0.3.15:22': 10.0.3.15 is not in the guest's network" },
        { "tcp::2222-10.0.2.2:22",
          "hostfwd 'tcp::2222-10.0.2.2:22': 10.0.2.2 cannot be a guest's address" },
        { "tcp::2222-10.0.2.255:22", "10.0.2.255 cannot be a guest's address" },
        { "tcp:192.0.2.1:2222-:22", "hostfwd 'tcp:192.0.2.1:2222-:22': cannot listen at "
                                    "192.0.2.1:2222: Cannot assign requested address" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        refused_property("hostfwd", wrong[i][0], wrong[i][1]);
}

static void ports_in_use(void)
{
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

    for (unsigned i = 0; i < 2; i++) {
        const char *protocol = i ? "udp" : "tcp";
        uint32_t port;
        int fd = bound_socket(types[i], &port);
        g_autofree char *rule = g_strdup_printf("%s::%u-:22", protocol, port);
        g_autofree char *text = g_strdup_printf(
            "hostfwd '%s': cannot listen at 127.0.0.1:%u: Address already in use", rule, port);
        g_autofree char *twice = NULL;

        if (!i)
            CU_ASSERT_EQUAL(listen(fd, 1), 0);
        refused_property("hostfwd", rule, text);
        close(fd);
        twice = g_strdup_printf("%s %s", rule, rule); /* the network's own first rule */
        refused_property("hostfwd", twice, text);
    }
}

static void wrong_texts(void)
{
    g_autofree char *name = g_strnfill(33, 'n'), *file = g_strnfill(128, 'f');

    refused_property("hostname", name, "' has 33 characters: 32 are possible");
    refused_property("bootfile", file, "' has 128 characters: 127 are possible");
    refused_property("tftp", "/nonexistent",
                     "cannot open tftp folder /nonexistent: No such file or directory");
    refused_property("tftp", "/dev/null", "cannot open tftp folder /dev/null: Not a directory");
}

int main(void)
{
    static const unit_case cases[] = {
        { "ARP", arp },
        { "DHCP in the smallest network", dhcp },
        { "ping", ping },
        { "TFTP", tftp },
        { "connections out", connections_out },
        { "refused connections", refused_connections },
        { "connections in", connections_in },
        { "datagrams in", datagrams_in },
        { "a guest that is full", a_guest_that_is_full },
        { "an end in the middle", an_end_in_the_middle },
        { "frames that are none", frames_that_are_none },
        { "wrong networks", wrong_networks },
        { "wrong forwards", wrong_forwards },
        { "ports in use", ports_in_use },
        { "wrong texts", wrong_texts },
        { 0 },
    };

    return unit_run("host slirp", cases);
}
