print("vedette")
