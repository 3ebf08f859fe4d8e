"""What things cost: processor profiles and, later, the cycle model that they feed."""
