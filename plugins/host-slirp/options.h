/*
 * What a user network is told in words: its addresses, and the ports that are forwarded.
 */
#ifndef HOST_SLIRP_OPTIONS_H
#define HOST_SLIRP_OPTIONS_H

#include <patchbay/base.h>

#include <netinet/in.h>

/* Numbers of hosts in every network. Guests get addresses from GUEST_FIRST on, libslirp has 16. */
enum { NUMBER_HOST = 2, NUMBER_NAME_SERVER = 3, NUMBER_GUEST = 15 };

typedef struct network_addresses {
    struct in_addr network, mask, host, name_server, guest; /* guest: the first one */
} network_addresses;

typedef struct forward {
    bool udp;
    struct in_addr host, guest;
    uint16_t host_port, guest_port;
} forward;

/* "10.0.2.0/24" */
bool network_parse(const char *text, network_addresses *network, pb_error *error);

/* "tcp:127.0.0.1:2222-10.0.2.15:22"; a host that is left out is the loopback, a guest the first one. */
bool forward_parse(const char *rule, const network_addresses *network, forward *f, pb_error *error);

#endif
