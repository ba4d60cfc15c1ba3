# Builds the CPU addon where CMake is absent; CMakeLists.txt is the reference for sources and flags.
{
  'target_defaults': {
    'include_dirs': [
      'native',
      'native/include',
      '<!(node -p "require(\'node-api-headers\').include_dir")',
      '<!(node -p "require(\'node-addon-api\').include_dir")',
    ],
    # Sums keep their written order; only fused multiply-add contraction is allowed.
    'cflags': [
      '-O3',
      '-Wall',
      '-Wextra',
      '-pthread',
      '-fvisibility=hidden',
      '-fno-math-errno',
      '-fno-trapping-math',
      '-ffp-contract=fast',
    ],
    'cflags_cc': ['-std=c++17', '-fexceptions'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    'ldflags': ['-pthread'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_OPTIMIZATION_LEVEL': '3',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
      'OTHER_CPLUSPLUSFLAGS': ['-fno-math-errno', '-fno-trapping-math', '-ffp-contract=fast'],
    },
    'msvs_settings': {
      'VCCLCompilerTool': {
        'ExceptionHandling': 1,
        'AdditionalOptions': ['/std:c++17', '/O2', '/fp:contract'],
      },
    },
  },
  'targets': [
    {
      'target_name': 'fastweight',
      'dependencies': ['fastweight_core'],
      'sources': ['<!@(node scripts/gyp_sources.js binding)'],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS'],
    },
    {
      'target_name': 'fastweight_core',
      'type': 'static_library',
      'sources': ['<!@(node scripts/gyp_sources.js portable)'],
      'dependencies': ['fastweight_avx2', 'fastweight_avx512'],
      'export_dependent_settings': ['fastweight_avx2', 'fastweight_avx512'],
    },
    # Code in these two libraries only runs after a check of the CPU; elsewhere than on x86-64 its
    # files compile to nothing.
    {
      'target_name': 'fastweight_avx2',
      'type': 'static_library',
      'sources': ['<!@(node scripts/gyp_sources.js avx2)'],
      'conditions': [
        ['target_arch=="x64"', {
          'cflags': ['-mavx2', '-mfma'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['/arch:AVX2'] } },
        }],
      ],
    },
    {
      'target_name': 'fastweight_avx512',
      'type': 'static_library',
      'sources': ['<!@(node scripts/gyp_sources.js avx512)'],
      'variables': {
        'avx512_flags': [
          '-mavx512f',
          '-mavx512dq',
          '-mavx512vl',
          '-mavx512bw',
          '-mfma',
          '-mprefer-vector-width=512',
        ],
      },
      'conditions': [
        ['target_arch=="x64"', {
          'cflags': ['<@(avx512_flags)'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['<@(avx512_flags)'] },
          'msvs_settings': { 'VCCLCompilerTool': { 'AdditionalOptions': ['/arch:AVX512'] } },
        }],
      ],
    },
  ],
}
