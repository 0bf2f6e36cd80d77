"""The health sets that can be healed, one package each."""
