"""What requests cost: loads against one gateway or several side by side, and a profile of one.

`docs/performance.md` says how to run it and how to read it. `loads` has the requests, `backend`
answers them, `client` asks, `processes` starts gateways and reads what they used, `run` takes turns
between them, `report` writes the results down. `floor` is the smallest relay that does the work,
`profiled` a gateway under a sampler.
"""
