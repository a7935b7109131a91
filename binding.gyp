{
  # A thin door to CMakeLists.txt for node-gyp and prebuildify: the one action builds
  # with CMake into node-gyp's product folder.
  'targets': [
    {
      'target_name': 'fusebert',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake_build',
          # Never up to date for node-gyp; CMake itself knows what changed.
          'inputs': ['CMakeLists.txt'],
          'outputs': ['<(PRODUCT_DIR)/fusebert.always'],
          'action': ['node', 'scripts/gyp-build.mjs', '<(PRODUCT_DIR)'],
        },
      ],
    },
  ],
}
