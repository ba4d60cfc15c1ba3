# Settings node-gyp expects beside Node's headers. The addon uses Node-API only, whose headers come
# from the node-api-headers package, so pointing --nodedir here builds it without a download.
{
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': {
      'Release': { 'defines': ['NDEBUG'] },
      'Debug': { 'cflags': ['-g'] },
    },
  },
}
