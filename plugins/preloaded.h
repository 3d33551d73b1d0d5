/*
 * The plugins that are linked into this program: all of them in a build with static_plugins, otherwise none. For
 * pb_plugin_host_preload(); programs get it with plugins_dep.
 */
#ifndef PLUGINS_PRELOADED_H
#define PLUGINS_PRELOADED_H

#include <ltdl.h>

extern const lt_dlsymlist pb_preloaded_plugins[];

#endif
