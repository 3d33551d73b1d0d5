/*
 * Options of user networks: see options.h.
 */
#include "options.h"

#include <arpa/inet.h>

enum { BITS_MIN = 8, BITS_MAX = 27 };

/* A decimal number of digits and nothing else, up to `most`, which has at most nine digits. */
static bool parse_number(const char *text, size_t length, uint32_t most, uint32_t *value)
{
    *value = 0;
    if (length == 0 || length > 9)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (uint32_t)(text[i] - '0');
    }
    return *value <= most;
}

static bool parse_address(const char *text, size_t length, struct in_addr *address)
{
    char copy[INET_ADDRSTRLEN];

    if (length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    return inet_pton(AF_INET, copy, address) == 1;
}

/* ---- the network ------------------------------------------------------------------------------------------- */

static struct in_addr host_number(struct in_addr network, uint32_t number)
{
    return (struct in_addr){ htonl(ntohl(network.s_addr) + number) };
}

/* Networks of no hosts: "this" one, loopback, and from multicast on (RFC 6890). */
static bool is_reserved(struct in_addr network)
{
    uint32_t first = ntohl(network.s_addr) >> 24;

    return first == 0 || first == 127 || first >= 224;
}

bool network_parse(const char *text, network_addresses *n, pb_error *error)
{
    const char *slash = strchr(text, '/');
    char masked[INET_ADDRSTRLEN];
    struct in_addr inside;
    uint32_t bits;

    if (!slash || !parse_address(text, (size_t)(slash - text), &n->network) ||
        !parse_number(slash + 1, strlen(slash + 1), 32, &bits))
        return pb_fail(error, "network '%s' is not ADDRESS/BITS, such as 10.0.2.0/24", text);
    if (bits < BITS_MIN || bits > BITS_MAX)
        return pb_fail(error,
                       "network '%s': /%d to /%d are possible, as the host is number %d, the name "
                       "server %d, and 16 guests begin at %d",
                       text, BITS_MIN, BITS_MAX, NUMBER_HOST, NUMBER_NAME_SERVER, NUMBER_GUEST);
    n->mask.s_addr = htonl(UINT32_MAX << (32 - bits));
    inside.s_addr = n->network.s_addr & n->mask.s_addr;
    if (inside.s_addr != n->network.s_addr)
        return pb_fail(error, "network '%s' has bits set behind its %u: the network is %s/%u", text,
                       bits, inet_ntop(AF_INET, &inside, masked, sizeof(masked)), bits);
    if (is_reserved(n->network))
        return pb_fail(error, "network '%s' is reserved: choose a private one, such as 10.0.2.0/24",
                       text);
    n->host = host_number(n->network, NUMBER_HOST);
    n->name_server = host_number(n->network, NUMBER_NAME_SERVER);
    n->guest = host_number(n->network, NUMBER_GUEST);
    return true;
}

/* ---- forwarded ports ----------------------------------------------------------------------------------------- */

/* One side, "[ADDRESS]:PORT" in text up to `end`. An address that is left out stays as it is. */
static bool parse_side(const char *rule, const char *text, const char *end, struct in_addr *address,
                       uint16_t *port, pb_error *error)
{
    const char *colon = memchr(text, ':', (size_t)(end - text));
    uint32_t number;

    if (!colon)
        return pb_fail(error,
                       "hostfwd '%s' is not PROTOCOL:[HOST]:PORT-[GUEST]:PORT, such as "
                       "tcp:127.0.0.1:2222-:22",
                       rule);
    if (colon != text && !parse_address(text, (size_t)(colon - text), address))
        return pb_fail(error, "hostfwd '%s': '%.*s' is not an IPv4 address", rule,
                       (int)(colon - text), text);
    if (!parse_number(colon + 1, (size_t)(end - colon - 1), UINT16_MAX, &number) || number == 0)
        return pb_fail(error, "hostfwd '%s': '%.*s' is not a port: expected 1 to 65535", rule,
                       (int)(end - colon - 1), colon + 1);
    *port = (uint16_t)number;
    return true;
}

bool forward_parse(const char *rule, const network_addresses *n, forward *f, pb_error *error)
{
    const char *colon = strchr(rule, ':');
    const char *dash = colon ? strchr(colon, '-') : NULL;
    char guest[INET_ADDRSTRLEN];

    *f = (forward){ .host.s_addr = htonl(INADDR_LOOPBACK), .guest = n->guest };
    if (!dash)
        return pb_fail(error,
                       "hostfwd '%s' is not PROTOCOL:[HOST]:PORT-[GUEST]:PORT, such as "
                       "tcp:127.0.0.1:2222-:22",
                       rule);
    f->udp = !strncmp(rule, "udp:", 4);
    if (!f->udp && strncmp(rule, "tcp:", 4))
        return pb_fail(error, "hostfwd '%s': '%.*s' is not a protocol: expected tcp or udp", rule,
                       (int)(colon - rule), rule);
    if (!parse_side(rule, colon + 1, dash, &f->host, &f->host_port, error) ||
        !parse_side(rule, dash + 1, dash + 1 + strlen(dash + 1), &f->guest, &f->guest_port, error))
        return false;
    inet_ntop(AF_INET, &f->guest, guest, sizeof(guest));
    if ((f->guest.s_addr & n->mask.s_addr) != n->network.s_addr)
        return pb_fail(error, "hostfwd '%s': %s is not in the guest's network", rule, guest);
    if (f->guest.s_addr == n->host.s_addr || f->guest.s_addr == n->name_server.s_addr ||
        f->guest.s_addr == n->network.s_addr ||
        f->guest.s_addr == (n->network.s_addr | ~n->mask.s_addr))
        return pb_fail(error, "hostfwd '%s': %s cannot be a guest's address", rule, guest);
    return true;
}
