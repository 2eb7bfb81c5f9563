# A host as people have it: Docker's package with its units, two containers, rules of the operator.
systemctl start docker
mkdir -p image/bin image/www
cp "$(command -v busybox)" image/bin/
echo a page >image/www/index.html
command='cd www; /bin/busybox httpd -p 81; exec /bin/busybox httpd -f -p 80'
tar -C image -c . | docker import --change "CMD [\"/bin/busybox\", \"sh\", \"-c\", \"$command\"]" - web
docker network create shop
docker run --detach --name web --network shop --publish 8080:80 web
docker run --detach --name db --network shop web /bin/busybox httpd -f -p 5432
iptables --insert DOCKER-USER 1 --match conntrack --ctstate RELATED,ESTABLISHED --jump ACCEPT
iptables --insert DOCKER-USER 2 --in-interface eth0 --source 203.0.113.66 --jump DROP
ip route add 203.0.113.0/24 via 192.0.2.2
