"""The pytest plugin: kernels under test, in a user's own project.

Nothing here is imported by the machine. `plugin` is what pytest loads; it loads the machine when a test asks for one.
docs/testing-your-kernel.md is the user's guide.
"""
